"""The Rounds page inside Celery Flower: how a federation trains where and when power is clean."""

from __future__ import annotations

from tasks.monitor.install import install

__all__ = ["install"]
