"""Payloads about assignments that no receipt answered."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from common.messages import Reason
from scheduler.ledger.events.base import Payload

ReissueCode = Literal[
    "lost", "worker_restarted", "model_missing", "model_altered", "bytes_missing", "redis_failed",
    "coordinator_failed",
]  # fmt: skip

AT_SITE: tuple[ReissueCode, ...] = ("lost", "worker_restarted")
"""What counts against a site if it happens too often."""


class AssignmentReissued(Payload):
    """An assignment was lost and is issued again.

    Attributes:
        attempt: The number of this attempt, the first being 0.
        code: What was lost: the assignment or its receipt, the worker that had it, or the bytes
            of a model or an update; or that the site found other bytes than those of the model;
            or that Redis was full, away or emptied, or that the
            coordinator was away or its run blocked, meanwhile.
    """

    kind: ClassVar[str] = "assignment.reissued"

    attempt: int = Field(ge=0)
    code: ReissueCode


class AssignmentGivenUp(Payload):
    """An assignment is not waited for any longer.

    Attributes:
        code: Its ``deadline`` passed, it was ``lost_too_often``, it is ``undelivered`` by no fault
            of the site, ``stale``: the version it trains from is too old to count, or its site was
            ``revoked``.
        reason: The same as a sentence.
    """

    kind: ClassVar[str] = "assignment.given_up"

    code: Literal["deadline", "lost_too_often", "undelivered", "stale", "revoked"]
    reason: Reason
