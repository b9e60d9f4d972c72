"""A round: one version, the clients invited to improve it, and what became of each invitation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from common.messages import Heartbeat, Reason
from scheduler.federation.accepted import Accepted, Evaluated
from scheduler.federation.client import Client
from scheduler.ledger.event import Event
from scheduler.ledger.events import Because, ManifestLine, RoundClosed, RoundPlanned
from scheduler.policies.selection_context import PastUpdate

_GRACE = timedelta(seconds=2)
"""How much later than the issue a heartbeat must be before its silence on the assignment counts."""


@dataclass(slots=True)
class AssignmentState:
    """One client's part in the round.

    `status` is ``open`` until it is ``accepted``, ``declined`` (by the site), ``failed`` (there),
    ``refused`` (here), ``evaluated`` (it scored the pulled model) or ``given_up``. `issued_at` is
    on the wall clock; `incarnation` is the worker that was alive then, `zone` its client's.
    `epochs` is set where it is to do fewer than the run asks for,
    `weight_permille` where the policy weighs its examples.
    """

    client: str
    attempt: int
    issued_at: datetime
    incarnation: str | None
    zone: str
    status: str = "open"
    reason: Reason | None = None
    epochs: int | None = None
    weight_permille: int | None = None

    def weight(self, num_examples: int) -> int:
        """Return what so many examples of this client count in the aggregate."""
        return num_examples * (1 if self.weight_permille is None else self.weight_permille)


@dataclass(slots=True)
class Round:
    """The open round of a run. `deadline` is on the wall clock, `valid_until` on the grid clock.

    `evaluates` says that its cohort trains nothing and only scores the run's last version.
    `because` is why the run's policy invited those it invited last, where it said so.
    `manifest` is set once the round is committed: from then on nothing more is counted.
    """

    number: int
    base_version: str
    planned_at: datetime
    grid_planned_at: datetime
    exponent: int
    target: int
    deadline: datetime
    valid_until: datetime
    cohort: dict[str, AssignmentState] = field(default_factory=dict)
    accepted: dict[str, Accepted] = field(default_factory=dict)
    evaluates: bool = False
    evaluated: dict[str, Evaluated] = field(default_factory=dict)
    manifest: tuple[ManifestLine, ...] | None = None
    because: Because = field(default_factory=dict)

    @classmethod
    def planned(cls, planned: RoundPlanned, event: Event) -> Self:
        """Open the round that a first ``round.planned`` event describes."""
        return cls(
            number=event.round,
            base_version=planned.base_version,
            planned_at=event.at,
            grid_planned_at=event.grid_at,
            exponent=planned.exponent,
            target=planned.target,
            deadline=event.at,
            valid_until=event.grid_at,
            evaluates=planned.evaluates,
        )

    def invite(self, planned: RoundPlanned, event: Event, clients: dict[str, Client]) -> None:
        """Add the cohort of a ``round.planned`` event, and set deadline and validity anew."""
        self.deadline = event.at + timedelta(seconds=planned.deadline_s)
        self.valid_until = planned.valid_until
        self.because = planned.because
        for name in planned.cohort:
            before = self.cohort.get(name)
            attempt = before.attempt + 1 if before else 0
            self.cohort[name] = AssignmentState(
                name, attempt, event.at, clients[name].incarnation, clients[name].zone,
                epochs=planned.epochs.get(name), weight_permille=planned.weights_permille.get(name),
            )  # fmt: skip

    @property
    def weighs(self) -> bool:
        """Whether examples count by what the policy says of their client."""
        return any(part.weight_permille is not None for part in self.cohort.values())

    def open_assignments(self) -> list[AssignmentState]:
        """Return the invitations nobody has answered yet."""
        return [state for state in self.cohort.values() if state.status == "open"]

    def complete(self, quorum: int, now: datetime, clients: dict[str, Client]) -> bool:
        """Return whether the round can be committed: nothing worth waiting for is outstanding.

        That is so when the target is met; or when the quorum is met and everybody still out is
        silent, or the deadline (wall clock) has passed.
        """
        if len(self.accepted) >= self.target:
            return True
        if len(self.accepted) < quorum and not self.evaluates:
            return False
        waiting_for = [s for s in self.open_assignments() if clients[s.client].alive]
        return not waiting_for or now >= self.deadline

    def hopeful(self, alive: set[str]) -> bool:
        """Return whether someone alive is still expected to answer."""
        return any(state.client in alive for state in self.open_assignments())


def lost(part: AssignmentState, beat: Heartbeat, name: str) -> bool:
    """Return whether an open assignment seems to have been lost on its way there or back.

    The client lives, said so well after the assignment was issued, and works on something else or
    on nothing. The caller adds that no queue holds it. A wrong guess does no harm: the site
    answers a repeated assignment from its outbox.

    Args:
        part: The client's part in the round.
        beat: What the client's worker said last.
        name: The assignment as heartbeats name it, ``run/round``.
    """
    return beat.busy != name and beat.at > part.issued_at + _GRACE


@dataclass(slots=True)
class ClosedRound:
    """A round that made a version. Times are on the grid clock unless named `wall`.

    `held_out` is the clients' own score of the version they pulled, where the coordinator has no
    test data. `updates` is what policies remember of those who took part.
    """

    number: int
    version: str
    cohort: tuple[str, ...]
    started: datetime
    ended: datetime
    wall_seconds: float
    energy_wh: float
    gco2eq: float
    baseline_gco2eq: float | None
    baseline_started: datetime
    baseline_ended: datetime
    fleet_gco2eq: float | None
    held_out: dict[str, float]
    phases: dict[str, float | None]
    updates: dict[str, PastUpdate]
    base_version: str
    server_state: str | None
    manifest: tuple[ManifestLine, ...]
    exponent: int
    metrics: dict[str, float] | None = None

    @classmethod
    def from_event(cls, closed: RoundClosed, event: Event, open_round: Round) -> Self:
        """Rebuild from a ``round.closed`` event and the round it closed."""
        return cls(
            number=event.round,
            version=closed.version,
            cohort=tuple(sorted(open_round.accepted)),
            started=open_round.grid_planned_at,
            ended=event.grid_at,
            wall_seconds=(event.at - open_round.planned_at).total_seconds(),
            energy_wh=closed.energy_wh,
            gco2eq=closed.gco2eq,
            baseline_gco2eq=closed.baseline_gco2eq,
            baseline_started=closed.baseline_started,
            baseline_ended=closed.baseline_ended,
            fleet_gco2eq=closed.fleet_gco2eq,
            held_out=closed.held_out,
            phases=closed.phases,
            updates={
                client: PastUpdate(update.utility, update.latency_s, update.gco2eq)
                for client, update in open_round.accepted.items()
            },
            base_version=open_round.base_version,
            server_state=closed.server_state,
            manifest=open_round.manifest or (),
            exponent=open_round.exponent,
        )
