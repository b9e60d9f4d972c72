"""Roles: what a worker is, by the names of the queues it serves."""

from __future__ import annotations

COORDINATOR_QUEUES = frozenset({"coordinator", "aggregation"})
"""Planning, and aggregating: one worker may serve both."""

SITE_PREFIX = "client."
"""A site serves one queue, ``client.<id>``."""
