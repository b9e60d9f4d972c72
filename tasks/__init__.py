"""RUNS: the Celery application and the thin tasks that join scheduling and learning."""

from tasks import worker as _worker  # noqa: F401 - connects what a worker becomes at its start
from tasks.app import app

__all__ = ["app"]
