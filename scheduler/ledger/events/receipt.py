"""Payloads about receipts: updates that count or do not, and work that a site did not do."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from common.messages import Energy, Reason, Timings
from scheduler.ledger.events.base import Payload, Record, Sha256, Utc
from scheduler.ledger.events.grid import MeanRecord


class WorkRecord(Record):
    """One piece of work as its receipt reports it, and what it emitted.

    Attributes:
        attempt: Of the assignment, the first being 0.
        started_at: When the energy began to be used, wall clock.
        ended_at: When it was used up, wall clock.
        grid_started_at: The same on the grid clock.
        grid_ended_at: The same on the grid clock; never before the start.
        energy: What it used, Wh; `None` where nothing was measured.
        intensity: The mean carbon intensity of the client's zone meanwhile; `None` if unknown.
        comparable: Whether that intensity is of the family that the federation counts.
        gco2eq: Emissions, gCO2eq; `None` if unknown or of another family.
        gco2eq_apart: Emissions of another family, gCO2eq: never added to the others.
        nbytes: Size of the update, bytes; 0 if there is none.
        pulled_nbytes: Size of the model that was pulled for it, bytes; 0 if none was.
        network_wh: What moving these bytes used, Wh, modelled.
        examples: Examples trained on, each as often as it was.
        sha256: Of the update's bytes; `None` if there is none.
        loss: The mean training loss; `None` if nothing was trained.
        utility: Statistical utility as Oort defines it; `None` if nothing was trained.
        metrics: The score of the pulled model on held-out examples, by metric.
        num_held_out: Held-out examples.
        reason: Why the site did not train; `None` if it did.
    """

    attempt: int = Field(ge=0)
    started_at: Utc
    ended_at: Utc
    grid_started_at: Utc
    grid_ended_at: Utc
    energy: Energy | None = None
    intensity: MeanRecord | None = None
    comparable: bool
    gco2eq: float | None = None
    gco2eq_apart: float | None = None
    nbytes: int = Field(ge=0)
    pulled_nbytes: int = Field(ge=0)
    network_wh: float
    examples: int = Field(ge=0)
    sha256: Sha256 | None = None
    loss: float | None = None
    utility: float | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    num_held_out: int = Field(default=0, ge=0)
    reason: Reason | None = None

    @property
    def energy_wh(self) -> float | None:
        """Electricity at the wall, Wh; `None` where nothing was measured."""
        return self.energy.energy_wh if self.energy else None


class Admission(Record):
    """What an update counts for.

    Attributes:
        sha256: Of its bytes as they were received: the name of its blob.
        nbytes: Their number.
        norm: Its L2 norm.
        num_examples: Examples that count: no more than the client enrolled with.
        weight: What it counts in the aggregate, relative to the others.
        latency_s: From the issue of the assignment to acceptance, wall seconds.
        timings: Where the site's wall seconds went.
        accept_s: How long it took the coordinator to accept it, wall seconds.
    """

    sha256: Sha256
    nbytes: int = Field(ge=0)
    norm: float = Field(ge=0)
    num_examples: int = Field(ge=1)
    weight: int = Field(ge=1)
    latency_s: float = Field(ge=0)
    timings: Timings = Timings()
    accept_s: float = Field(default=0.0, ge=0)


class ReceiptPayload(Payload):
    """What every event says that a receipt makes.

    Attributes:
        work: What was done.
    """

    work: WorkRecord


class UpdateAccepted(ReceiptPayload):
    """An update counts; its bytes are a blob.

    Attributes:
        admission: What it counts for.
    """

    kind: ClassVar[str] = "update.accepted"

    admission: Admission


class UpdateLate(ReceiptPayload):
    """An update came after its round was committed or its assignment settled; it is booked."""

    kind: ClassVar[str] = "update.late"


class UpdateDuplicate(ReceiptPayload):
    """The same bytes came a second time; their work is booked if it was done twice."""

    kind: ClassVar[str] = "update.duplicate"


class UpdateConflicting(ReceiptPayload):
    """Other bytes came for an update that counts already; their work is booked."""

    kind: ClassVar[str] = "update.conflicting"


class UpdateRefused(ReceiptPayload):
    """The coordinator refused an update; its work is booked.

    Attributes:
        refusal: What is wrong with it.
    """

    kind: ClassVar[str] = "update.refused"

    refusal: Reason


class AssignmentEvaluated(ReceiptPayload):
    """A site scored a run's last version on its held-out data; its work is booked."""

    kind: ClassVar[str] = "assignment.evaluated"


class AssignmentDeclined(ReceiptPayload):
    """A site would not do an assignment; `work.reason` says why."""

    kind: ClassVar[str] = "assignment.declined"


class AssignmentFailed(ReceiptPayload):
    """A site could not do an assignment; `work.reason` says why."""

    kind: ClassVar[str] = "assignment.failed"
