"""RUNS: the Celery application and the thin tasks that join scheduling and learning."""

from tasks.app import app

__all__ = ["app"]
