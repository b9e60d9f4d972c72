"""RUNS: the Celery application and the thin tasks that join scheduling and learning."""
