"""The explanation: what a run does now, what it waits for, and what to do about it.

There is one. The page, `status`, `run show`, `clients` and `plan` all print it. Times are on the
grid clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from scheduler.status.blocker import Blocker

ExplanationCode = Literal[
    "no_run", "ended", "redis_unusable", "coordinator_missing", "stopping", "blocked",
    "starting", "paused", "training", "aggregating", "scoring", "not_due", "beat_missing",
    "policy_waits", "over_budget", "too_few", "about_to_start",
]  # fmt: skip
"""What a run does now, or why it does nothing."""


@dataclass(frozen=True)
class Explanation:
    """What a run does now, what it waits for, and what to do about it.

    Attributes:
        code: For machines.
        sentence: For people: the blocker by name, and the command that removes it.
        needed: Clients the next step needs; `None` where it waits for none.
        ready: Clients that could train for it now.
        next_at: When the next round is due or expected, grid clock; `None` if that is unknown.
        blockers: By client, what keeps it from training for the run now.
    """

    code: ExplanationCode
    sentence: str
    needed: int | None = None
    ready: int | None = None
    next_at: datetime | None = None
    blockers: Mapping[str, Blocker] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it for a page; each client's row has its own blocker, so here are their counts."""
        return {
            "code": self.code,
            "sentence": self.sentence,
            "needed": self.needed,
            "ready": self.ready,
            "next_at": self.next_at.timestamp() if self.next_at else None,
            "blockers": Counter(blocker.code for blocker in self.blockers.values()),
        }
