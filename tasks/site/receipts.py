"""A site's receipts: made as work ends, whatever way it ends."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta

from pydantic import ValidationError

from common.clock import wall_now
from common.errors import (
    AlteredBytesError,
    FairwindError,
    StorageError,
    TransportError,
    WorkerDiedError,
    describe,
    encodable,
)
from common.messages import (
    Address,
    Assignment,
    Energy,
    Outcome,
    PrivacySpent,
    Reason,
    Receipt,
    Timings,
    what_is_wrong,
)
from common.units import show_duration
from tasks.site.memory_limit import MemoryIsUp
from tasks.site.site_policy_in_force import SitePolicy
from tasks.site.time_limit import TimeIsUp


class ReceiptMaker:
    """What every receipt for an assignment says, however the work ends, which begins now.

    How long it takes is measured by a clock that nobody sets.

    Attributes:
        started: When the work began that the receipt is of.
        energy: What that work used; `None` as long as nothing was measured.
        frozen_nbytes: How much of the model's frozen part had to be pulled for it.
        privacy: What its run has spent of the privacy of the site's records; `None` if nothing.
    """

    def __init__(self, about: Assignment | Address, incarnation: str, started: datetime) -> None:
        self._about = about
        self._incarnation = incarnation
        self.started = started
        self.energy: Energy | None = None
        self.frozen_nbytes = 0
        self.privacy: PrivacySpent | None = None
        self._begun = time.monotonic()
        self._took: timedelta | None = None

    def continue_with(self, kept: Receipt) -> None:
        """Report the work of an answer that was kept: it is done once, whatever becomes of it."""
        self.started, self.energy = kept.started_at, kept.energy
        self.frozen_nbytes, self.privacy = kept.frozen_nbytes, kept.privacy
        self._took = kept.ended_at - kept.started_at

    def of(self, outcome: Outcome, **more: object) -> Receipt:
        """Return the receipt of work that ended just now."""
        a, took = self._about, self._took or timedelta(seconds=time.monotonic() - self._begun)
        fields: dict[str, object] = {
            "run": a.run, "round": a.round, "client": a.client, "attempt": a.attempt,
            "outcome": outcome, "started_at": self.started, "ended_at": self.started + took,
            "sent_at": wall_now(), "incarnation": self._incarnation, "energy": self.energy,
            "frozen_nbytes": self.frozen_nbytes, "privacy": self.privacy, **more,
        }  # fmt: skip
        return Receipt.model_validate(fields)


def not_understood(
    body: object, error: ValidationError, *, client: str, incarnation: str
) -> Receipt | None:
    """Return the answer to what is no assignment as this version has them.

    Returns:
        `None` if it does not even say what it is about, or is about another client.
    """
    try:
        about = Address.model_validate(body)
    except ValidationError:
        return None
    if about.client != client:
        return None
    text = (
        f"the assignment is not understood at this site ({what_is_wrong(error)}): the coordinator "
        "runs another version of Fairwind; install the same on both"
    )
    receipts = ReceiptMaker(about, incarnation, wall_now())
    return receipts.of("failed", reason=Reason(code="other_version", text=encodable(text)[:600]))


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
        "memory": None, "memory_lost": False,
    }  # fmt: skip
    return trained.model_copy(update=left_out)


def why_failed(error: BaseException, policy: SitePolicy) -> Reason:
    """Return why work failed at a site that has this policy."""
    match error:
        case TimeIsUp():
            limit = show_duration(policy.training_s)
            code = "too_long"
            text = f"stopped after {limit}, the longest training that this site allows"
        case MemoryIsUp():
            code = "too_much_memory"
            text = (
                f"it needed more than {policy.memory_mb or 0:g} MB, which this site allows a "
                "training; start a run with a smaller --batch-size, or raise memory_mb under "
                "[limits] in the site policy there"
            )
        case ValidationError():
            code = "answer_unfit"
            text = f"its answer does not fit into a receipt ({what_is_wrong(error)})"
        case OSError() if error.filename is not None:  # a file of the site's own
            code = "disk_failed"
            text = f"{error.strerror}: {error.filename}; it is to be repaired at the site"
        case FairwindError():
            code, text = _CODES.get(type(error), "workload_failed"), str(error)
        case _:
            code, text = "site_failed", describe(error)
    return Reason(code=code, text=encodable(text)[:600])


_CODES = {
    AlteredBytesError: "model_altered",
    TransportError: "model_missing",
    WorkerDiedError: "worker_died",
    StorageError: "disk_failed",
}


def not_recorded(error: OSError) -> Reason:
    """Return why work is declined whose arrival the audit trail cannot take."""
    text = (
        f"its audit trail cannot be written ({error.strerror}: {error.filename}), and this site "
        "does nothing that is not on record; free some space there"
    )
    return Reason(code="not_recorded", text=encodable(text)[:600])


def finite(value: float) -> float | None:
    """Return a figure that JSON can hold, and `None` for others."""
    return value if math.isfinite(value) else None
