"""Payloads about rounds: planned, committed, closed, evaluated."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from scheduler.ledger.events.base import Because, Payload, Record, Sha256, Utc
from scheduler.ledger.events.evaluation import Evaluation, Evaluator


@dataclass(config=ConfigDict(strict=True, extra="forbid"), frozen=True, slots=True)
class ManifestLine:
    """One update that counts in a round. A run's state keeps those of all rounds: it is small.

    Attributes:
        client: Whose update it is.
        sha256: The blob of the update.
        weight: What it counts in the aggregate, relative to the others.
        issued: The round in which its assignment was issued: it was trained from that round's base.
    """

    client: str
    sha256: Sha256
    weight: int
    issued: int


class ControlTerms(Record):
    """What the control variates that a round makes depend on, beside its manifest and blobs.

    Attributes:
        num_clients: Over how many clients the server's is the mean.
        num_steps: By client, the local steps behind its update in the manifest.
        left: Clients whose own counts no more, as they are retired.
    """

    num_clients: int = Field(ge=1)
    num_steps: dict[str, int]
    left: tuple[str, ...] = ()


class RobustFigures(Record):
    """How a robust rule used the updates of a round.

    Attributes:
        shares_permille: By client, the weight that its update kept: 1000 as in the mean of all, 0
            if it was left out.
        rejected: Clients whose update took no part, as its norm is far above the others'.
        capped_from: The L2 norm of the mean where it was scaled down to the run's bound.
    """

    shares_permille: dict[str, int]
    rejected: tuple[str, ...] = ()
    capped_from: float | None = None


class RoundPlanned(Payload):
    """A cohort is invited, or more clients join a round that is short of its quorum.

    Attributes:
        base_version: The blob of the version they train from.
        cohort: Who is invited.
        target: How many updates the round aims at.
        deadline_s: After how many wall seconds it closes with its quorum.
        valid_until: Until when sites may begin, grid clock.
        expected_gco2eq: What those of the cohort are expected to emit of which experience exists.
        epochs: Local epochs of those who are to do fewer than the run asks for, perhaps not whole.
        weights_permille: What the examples of each count; empty if all count alike.
        because: Why the policy invites them, where it gives a reason.
        evaluates: Whether they train nothing and only score the run's last version.
        verdicts: The blob that holds everybody's verdict; `None` if they were not kept.
    """

    kind: ClassVar[str] = "round.planned"

    base_version: Sha256
    cohort: tuple[str, ...]
    target: int = Field(ge=1)
    deadline_s: float = Field(gt=0)
    valid_until: Utc
    expected_gco2eq: float | None = None
    epochs: dict[str, float] = Field(default_factory=dict)
    weights_permille: dict[str, int] = Field(default_factory=dict)
    because: Because = Field(default_factory=dict)
    evaluates: bool = False
    verdicts: Sha256 | None = None


class RoundCommitted(Payload):
    """A round's manifest is fixed: which updates count, with their weights.

    Attributes:
        manifest: In the order of the clients' ids.
        divisor: What the weighted sum is divided by; `None` for the sum of the weights.
        total: What the updates weigh together, where the divisor is the mean of such totals.
        latest: The latest updates of the other clients, where a version is the mean of the latest
            model of each; in the order of their ids.
        controls: What SCAFFOLD's control variates depend on; `None` without.
    """

    kind: ClassVar[str] = "round.committed"

    manifest: tuple[ManifestLine, ...]
    divisor: int | None = Field(default=None, ge=1)
    total: int | None = Field(default=None, ge=1)
    latest: tuple[ManifestLine, ...] = ()
    controls: ControlTerms | None = None


class RoundClosed(Payload):
    """A round made the next version; what it used and emitted.

    Attributes:
        version: The blob of that version.
        server_state: The blob of the server optimizer's state; `None` if it has none.
        server_control: The blob of the server's control variate; `None` without control variates.
        client_controls: The blobs of those of the clients in the manifest, by client.
        robust: How a robust rule used the updates; `None` with the mean.
        energy_wh: Energy of the counted updates, Wh.
        gco2eq: Their emissions as booked, gCO2eq, where known.
        baseline_gco2eq: Emissions of the same work had nobody waited for clean power, gCO2eq;
            `None` if unknown.
        baseline_started: When that baseline's round starts, grid clock.
        baseline_ended: When it ends, grid clock.
        fleet_gco2eq: Emissions of the same work at the mean of all zones, gCO2eq; `None` if
            unknown.
        held_out: The sites' evaluation of the version they pulled; `None` if no site made one.
        phases: Where the round's wall seconds went, by phase; `None` if unknown.
    """

    kind: ClassVar[str] = "round.closed"

    version: Sha256
    server_state: Sha256 | None = None
    server_control: Sha256 | None = None
    client_controls: dict[str, Sha256] = Field(default_factory=dict)
    robust: RobustFigures | None = None
    energy_wh: float
    gco2eq: float
    baseline_gco2eq: float | None = None
    baseline_started: Utc
    baseline_ended: Utc
    fleet_gco2eq: float | None = None
    held_out: Evaluation | None = None
    phases: dict[str, float | None] = Field(default_factory=dict)


class RoundEvaluated(Payload, Evaluation):
    """A round's version has a score.

    Attributes:
        by: Who evaluated it. Where both do, the coordinator's figures are the score.
        evaluate_s: How long that took, wall seconds.
    """

    kind: ClassVar[str] = "round.evaluated"

    by: Evaluator = "coordinator"
    evaluate_s: float = Field(default=0.0, ge=0)

    @property
    def evaluation(self) -> Evaluation:
        """The figures alone."""
        return Evaluation(**{name: getattr(self, name) for name in Evaluation.model_fields})
