"""What ``celery -A tasks`` finds: the application, and what a worker becomes at its start.

Celery looks for a module of this name. The package itself imports nothing, so that a command that
sends no task loads no Celery.
"""

from __future__ import annotations

from tasks import worker as _worker  # noqa: F401 - connects what a worker becomes at its start
from tasks.app import app

__all__ = ["app"]
