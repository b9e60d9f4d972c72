"""Payloads about receipts: updates that count or do not, and work that a site did not do."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from common.messages import Energy, PrivacySpent, Reason, Timings
from common.trail_head import TrailHead
from scheduler.ledger.events.base import Payload, Record, Sha256, Utc
from scheduler.ledger.events.grid import MeanRecord


class WorkRecord(Record):
    """One piece of work as its receipt reports it, and what it emitted.

    Attributes:
        attempt: Of the assignment, the first being 0.
        started_at: When the energy began to be used, as the wall clock of the site showed.
        ended_at: When it was used up, on the same clock.
        grid_started_at: When it began to be used, on the coordinator's grid clock: corrected by
            how far the site's clock is ahead, and never before the issue.
        grid_ended_at: When it was used up, likewise; never before the start or after the arrival.
        energy: What it used, Wh; `None` where nothing was measured.
        intensity: The mean carbon intensity of the client's zone meanwhile; `None` if unknown.
        idle_intensity: The mean of the hours in which its reserved hardware waited for the work, of
            the last seven days at most; `None` if unknown, of another family, or without any.
        comparable: Whether `intensity` is of the family that the federation counts.
        gco2eq: Emissions, gCO2eq; `None` if unknown or of another family.
        gco2eq_apart: Emissions of another family, gCO2eq: never added to the others.
        nbytes: Size of the update, bytes; 0 if there is none.
        pulled_nbytes: Size of the model that was pulled for it, bytes; 0 if none was.
        network_wh: What moving these bytes used, Wh, modelled.
        examples: Examples trained on, each as often as it was.
        num_steps: Steps that the site's optimizer took, as it reports; `None` if it reports none.
        flops: Floating-point operations of training on these examples, as the site counted them
            for one example; `None` if unknown.
        sha256: Of the update's bytes; `None` if there is none.
        loss: The mean training loss; `None` if nothing was trained.
        utility: Statistical utility as Oort defines it; `None` if nothing was trained.
        metrics: The score of the pulled model on held-out examples, by metric; `None` where it was
            not finite.
        num_held_out: Held-out examples.
        memory: The state that the site keeps for its next update, should this one count; `None`
            if it keeps none.
        memory_lost: Whether it started from an empty state instead of the one that it was to.
        reason: Why the site did not train; `None` if it did.
        trail: The head of the site's audit trail as it answered, which `fairwind ledger trails`
            prints; `None` if it sent none.
        privacy: What the run has spent of the privacy of its records, as the site reports it;
            `None` if nothing.
    """

    attempt: int = Field(ge=0)
    started_at: Utc
    ended_at: Utc
    grid_started_at: Utc
    grid_ended_at: Utc
    energy: Energy | None = None
    intensity: MeanRecord | None = None
    idle_intensity: MeanRecord | None = None
    comparable: bool
    gco2eq: float | None = None
    gco2eq_apart: float | None = None
    nbytes: int = Field(ge=0)
    pulled_nbytes: int = Field(ge=0)
    network_wh: float
    examples: int = Field(ge=0)
    num_steps: int | None = Field(default=None, ge=1)
    flops: float | None = Field(default=None, ge=0)
    sha256: Sha256 | None = None
    loss: float | None = None
    utility: float | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    num_held_out: int = Field(default=0, ge=0)
    memory: Sha256 | None = None
    memory_lost: bool = False
    reason: Reason | None = None
    trail: TrailHead | None = None
    privacy: PrivacySpent | None = None

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
        full_weight: What it would count there if it had been trained from the newest version.
        staleness: By how many versions its base is older than the newest.
        latency_s: From the issue of the assignment to acceptance, wall seconds.
        timings: Where the site's wall seconds went.
        accept_s: How long it took the coordinator to accept it, wall seconds.
    """

    sha256: Sha256
    nbytes: int = Field(ge=0)
    norm: float = Field(ge=0)
    num_examples: int = Field(ge=1)
    weight: int = Field(ge=1)
    full_weight: int = Field(ge=1)
    staleness: int = Field(default=0, ge=0)
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


UpdateFault = Literal["missing", "altered"]


class UpdateLost(Payload):
    """An update that counted cannot be summed; its assignment is issued again.

    The round's manifest, if it was committed already, is withdrawn.

    Attributes:
        sha256: The blob of its bytes.
        fault: What is wrong with it.
    """

    kind: ClassVar[str] = "update.lost"

    sha256: Sha256
    fault: UpdateFault


class UpdateRestored(UpdateAccepted):
    """An update that was lost has come again, and counts in its place."""

    kind: ClassVar[str] = "update.restored"


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
