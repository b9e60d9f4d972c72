"""A problem: an assignment of a run that brought no update, why, and the back-off that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Self

from common.messages import Reason

ProblemStatus = Literal["declined", "failed", "refused", "given_up", "undelivered"]

ProblemKind = Literal["decline", "failure", "overdue", "undelivered"]
"""What counts together: failures, refusals and answers that never came are all ``failure``."""

SHORTEST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Problem:
    """A client's newest assignment in a run that brought no update.

    The client backs off from it: it is not invited again before `until`. Times are on the
    coordinator's wall clock, and none of them is one that a site wrote.

    Attributes:
        status: What became of it: its site ``declined`` or ``failed``, its update was ``refused``
            here, it was ``given_up``, or it was ``undelivered``: lost between coordinator and site,
            by no fault of the site.
        round: In which round.
        reason: Why; `None` where the site gave no reason.
        times: How many of the client's assignments in this run brought none, this one included.
        at: When it was recorded; of an answer that was overdue, when its assignment was issued, so
            that the deadline counts as part of the back-off.
        in_a_row: How many of each kind there were since its last update, in this run.
        lifted: Whether its worker was restarted since, or its site's policy changed after a
            decline: then it may be invited at once.
        lifts: How often that was so since its last update. A worker that dies again and again comes
            back as often, so only the first few end a back-off.
    """

    status: ProblemStatus
    round: int
    reason: Reason | None
    at: datetime
    times: int = 1
    in_a_row: Mapping[ProblemKind, int] = field(default_factory=dict)
    lifted: bool = False
    lifts: int = 0

    def after(self, before: Problem | None) -> Self:
        """Return this problem as the one that follows `before`."""
        counts = dict(before.in_a_row) if before else {}
        counts[self.kind] = counts.get(self.kind, 0) + 1
        if before is None:
            return replace(self, in_a_row=counts)
        return replace(self, times=before.times + 1, in_a_row=counts, lifts=before.lifts)

    def resolved(self) -> Self:
        """Return it after an update that counts: the next problem is a first one again."""
        return replace(self, in_a_row={}, lifts=0)

    def lift(self, wall_now: datetime) -> Self:
        """Return it after a restart of the client's worker or, of a decline, a new site policy."""
        if not self.holds(wall_now) or not self.is_liftable:
            return self
        return replace(self, lifted=True, lifts=self.lifts + 1)

    @property
    def is_liftable(self) -> bool:
        """Whether a restart of the worker, or another site policy after a decline, ends it."""
        return self.lifts < _MOST_LIFTS

    @property
    def kind(self) -> ProblemKind:
        """With what it counts."""
        if self.reason is not None and self.reason.code in ("deadline", "stale"):
            return "overdue"
        return _KINDS[self.status]

    @property
    def count(self) -> int:
        """How many of its kind there were in a row, this one included; 0 once resolved."""
        return self.in_a_row.get(self.kind, 0)

    @property
    def until(self) -> datetime:
        """When the client may be invited again: each pause is twice as long as the one before."""
        if not self.count:
            return self.at
        if self.reason is not None and self.reason.code in _LASTING:
            return self.at + LONGEST_PAUSE
        if self.reason is not None and self.reason.code in _BRIEF:
            return self.at + SHORTEST_PAUSE
        times = 1 << min(self.count - 1, _MOST_DOUBLINGS)
        return self.at + min(SHORTEST_PAUSE * times, LONGEST_PAUSE)

    def holds(self, wall_now: datetime) -> bool:
        """Return whether the client still backs off; a clock that was set back does not hold it."""
        return not self.lifted and self.at <= wall_now < self.until


_LASTING = frozenset(
    {
        "too_long", "over_limits", "run_not_allowed", "workload_not_allowed", "workload_changed",
        "metrics_stay", "other_clock", "privacy_required", "over_privacy_budget", "privacy_unknown",
        "no_privacy",
    }
)  # fmt: skip
"""Codes of what only somebody at the site or of the run can change: to ask soon again is of no use,
and each try of a training that takes too long costs the site as much work as it allows."""

_BRIEF = frozenset({"model_altered"})
"""Codes of what somebody else does to a site: however often, its pause grows no longer."""

_MOST_DOUBLINGS = 9
_MOST_LIFTS = 5

_KINDS: Mapping[ProblemStatus, ProblemKind] = {
    "declined": "decline",
    "failed": "failure",
    "refused": "failure",
    "given_up": "failure",
    "undelivered": "undelivered",
}
