"""Payloads about assignments that no receipt answered."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from common.messages import Reason
from scheduler.ledger.events.base import Payload

ReissueCode = Literal["lost", "worker_restarted", "model_missing", "bytes_missing"]


class AssignmentReissued(Payload):
    """An assignment was lost and is issued again.

    Attributes:
        attempt: The number of this attempt, the first being 0.
        code: What was lost: the assignment or its receipt, the worker that had it, or the bytes
            of a model or an update.
    """

    kind: ClassVar[str] = "assignment.reissued"

    attempt: int = Field(ge=0)
    code: ReissueCode


class AssignmentGivenUp(Payload):
    """An assignment is not waited for any longer: its deadline passed, or it was lost too often.

    Attributes:
        code: Which of both.
        reason: The same as a sentence.
    """

    kind: ClassVar[str] = "assignment.given_up"

    code: Literal["deadline", "lost_too_often"]
    reason: Reason
