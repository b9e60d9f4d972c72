"""A site's receipts: made as work ends, whatever way it ends."""

from __future__ import annotations

import math
from datetime import datetime

from common.clock import wall_now
from common.errors import FairwindError, TransportError, describe
from common.messages import Assignment, Outcome, Reason, Receipt, Timings
from common.units import show_duration
from tasks.site.time_limit import TimeIsUp


class ReceiptMaker:
    """The parts of a receipt that are known before the work ends."""

    def __init__(self, assignment: Assignment, incarnation: str, started: datetime) -> None:
        self._assignment = assignment
        self._incarnation = incarnation
        self._started = started

    def of(self, outcome: Outcome, **more: object) -> Receipt:
        """Return the receipt of work that ended just now."""
        a, now = self._assignment, wall_now()
        fields: dict[str, object] = {
            "run": a.run, "round": a.round, "client": a.client, "attempt": a.attempt,
            "outcome": outcome, "started_at": self._started, "ended_at": now, "sent_at": now,
            "incarnation": self._incarnation, **more,
        }  # fmt: skip
        return Receipt.model_validate(fields)


def waited_before(assignment: Assignment, started: datetime) -> Timings:
    """Return what passed between issue and start: before the assignment was sent, and after."""
    dispatch_s = (assignment.sent_at - assignment.issued_at).total_seconds()
    queue_s = (started - assignment.sent_at).total_seconds()
    return Timings(dispatch_s=max(0.0, dispatch_s), queue_s=max(0.0, queue_s))


def kept_back(trained: Receipt, reason: Reason) -> Receipt:
    """Return the receipt of work that was done and whose update does not leave the site."""
    left_out = {
        "outcome": "declined", "reason": reason, "sent_at": wall_now(), "update": None,
        "num_examples": 0, "loss": None, "utility": None, "metrics": {}, "num_held_out": 0,
    }  # fmt: skip
    return trained.model_copy(update=left_out)


def why_failed(error: BaseException, max_training_s: float | None) -> Reason:
    """Return why work failed; `max_training_s` is the longest training that the site allows."""
    if isinstance(error, TimeIsUp):
        limit = show_duration(max_training_s or 0.0)
        text = f"stopped after {limit}, the longest training that this site allows"
        return Reason(code="too_long", text=text)
    if isinstance(error, TransportError):
        return Reason(code="model_missing", text=str(error)[:600])
    if isinstance(error, FairwindError):
        return Reason(code="workload_failed", text=str(error)[:600])
    return Reason(code="site_failed", text=describe(error)[:600])


def finite(value: float) -> float | None:
    """Return a figure that JSON can hold, and `None` for others."""
    return value if math.isfinite(value) else None


def finite_ones(metrics: dict[str, float]) -> dict[str, float]:
    """Return the metrics that JSON can hold."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
