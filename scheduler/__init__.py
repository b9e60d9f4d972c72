"""Decides who trains, when, and at what cost. Knows nothing of Celery or torch."""
