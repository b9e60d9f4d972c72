"""A problem: an assignment of a run that brought no update, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from common.messages import Reason

ProblemStatus = Literal["declined", "failed", "refused", "given_up"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A client's newest assignment in a run that brought no update.

    Attributes:
        status: What became of it: its site ``declined`` or ``failed``, its update was ``refused``
            here, or it was ``given_up``.
        round: In which round.
        reason: Why; `None` where the site gave no reason.
        times: How many of the client's assignments in this run brought none, this one included.
    """

    status: ProblemStatus
    round: int
    reason: Reason | None
    times: int = 1
