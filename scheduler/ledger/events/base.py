"""What all payloads of events share: frozen, strict, finite, and times in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _in_utc(at: datetime) -> datetime:
    return at if at.tzinfo is UTC else at.astimezone(UTC)


Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""An instant. A naive time is refused; another time zone becomes UTC."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""The name of a blob: the SHA-256 of its bytes."""

Because = dict[str, float | str | None]
"""Why a policy decided as it did: a code, and its figures, each name with its unit."""


class Record(BaseModel):
    """A part of a payload. Nothing is coerced, no field is unknown, no figure NaN or infinite."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Payload(Record):
    """What one kind of event says beyond its envelope. The first line says what it is written for.

    Attributes:
        kind: The name under which the ledger keeps it, `noun.verb_past`.
    """

    kind: ClassVar[str]
