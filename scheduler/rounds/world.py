"""The world that the engine runs in: three narrow ports, a grid, a clock and the rules.

Production, a simulation and a forecast are three worlds. What a run does next is written once, over
these ports: see `scheduler.rounds.engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, Protocol

from common.clock import Clock
from common.messages import Receipt
from common.settings import Settings
from scheduler.carbon.grid import Grid
from scheduler.carbon.signal import HOUR
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import Round
from scheduler.gate.gate import GateRule, gate_rule
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RobustFigures, UpdateFault
from scheduler.rounds.absence import Absence
from scheduler.selection.score_weights import score_weights
from scheduler.selection.verdict import Verdicts


class History(Protocol):
    """What happened so far, and the right to append to it."""

    @property
    def state(self) -> Federation:
        """The federation as of the last event. Read it, never change it."""

    def append(self, *drafts: Draft, after: int) -> bool:
        """Append drafts as one transaction, if event number `after` is still the last one.

        Returns:
            Whether they were appended; if not, nothing was changed.
        """

    def keep_verdicts(self, verdicts: Verdicts) -> str | None:
        """Keep a plan's verdicts and return the name under which an event refers to them.

        Returns:
            `None` where nobody will read them.
        """


LossCode = Literal["lost", "redis_failed"]
"""Lost while Redis held what it was given, as far as is known; or Redis was away, or emptied."""


class Work(Protocol):
    """Sends assignments to sites, and says what has been seen of the sites."""

    def observe(self, state: Federation) -> Sequence[Draft]:
        """Return what has changed outside since the last event: clients, readings, sources."""

    def send(self, run: Run, clients: Sequence[str]) -> None:
        """Send the assignments of these clients of the run's open round. May raise anything."""

    def send_missing(self, run: Run) -> None:
        """Send those of its open assignments that wait nowhere and that nobody works on."""

    def lost(self, run: Run) -> Mapping[str, LossCode]:
        """Return the clients whose open assignment was lost on its way there or back, and how."""

    def has_unread(self) -> bool:
        """Return whether answers of sites wait to be received."""

    def settled(self, receipt: Receipt) -> None:
        """Forget the bytes that came with a receipt: the history holds what became of it."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An update that was received, checked and kept.

    Attributes:
        sha256: Of its bytes.
        nbytes: Their number.
        norm: Its L2 norm.
    """

    sha256: str
    nbytes: int
    norm: float


@dataclass(frozen=True, slots=True)
class FirstVersion:
    """A run's first version.

    Attributes:
        version: The SHA-256 that names it.
        num_params: Numbers in it.
        frozen: The SHA-256 of its frozen part, which its versions lack; `None` if it has none.
        scored_here: Whether the coordinator evaluates; else sites score what they pull.
        metrics: What it is worth on its test data, by metric, `None` where it is not finite; `None`
            if it was not evaluated.
        lower_is_better: Whether the workload states that less of the run's metric is better.
        personal: The tensors that stay at the sites, which the version holds at their first values.
        num_personal: Numbers in these.
    """

    version: str
    num_params: int
    scored_here: bool
    frozen: str | None = None
    metrics: Mapping[str, float | None] | None = None
    lower_is_better: bool = False
    personal: tuple[str, ...] = ()
    num_personal: int = 0


@dataclass(frozen=True, slots=True)
class NextVersion:
    """The version that a committed round makes, and the server optimizer's state, if it has one.

    `server_control` and `client_controls` name the control variates, where the run has any.
    `robust` is how a robust rule used the updates.
    """

    version: str
    server_state: str | None
    server_control: str | None = None
    client_controls: Mapping[str, str] = field(default_factory=dict)
    robust: RobustFigures | None = None


class LostUpdatesError(Exception):
    """Updates that were accepted are missing or were altered, so they cannot be summed.

    Attributes:
        faults: What is wrong with each, by client.
    """

    def __init__(self, faults: Mapping[str, UpdateFault]) -> None:
        super().__init__(", ".join(faults))
        self.faults = faults


class Learning(Protocol):
    """Admits updates, makes versions of them and scores these. May raise any `FairwindError`."""

    def open(self, run: Run) -> FirstVersion:
        """Make a run's first version, and evaluate it where there is test data."""

    def pulled_nbytes(self, run: Run) -> int:
        """Return the size of the model that a site pulls for a run's round."""

    def most_frozen_nbytes(self, run: Run) -> int:
        """Return the size of the frozen part of a run's model, 0 if it has none."""

    def admit(self, run: Run, receipt: Receipt) -> Admitted:
        """Receive, check and keep the update that a receipt names.

        Raises:
            TransportError: If its bytes are missing: the site is asked to send them again.
            UpdateError: If they are no update that may count.
        """

    def make(self, run: Run, round_: Round) -> NextVersion:
        """Make the version of a committed round: a pure function of the manifest.

        Raises:
            LostUpdatesError: If updates in the manifest are not what was accepted any more.
        """

    def withdraw(self, version: str) -> None:
        """Forget the bytes of a version in flight: nobody needs them."""

    def check_in_flight(self, run: Run, version: str) -> None:
        """Forget what of a version and its run's frozen part is altered in flight.

        What is forgotten is put there anew with the next assignment; others may pull the rest now.
        """

    def discard(self, names: Collection[str]) -> None:
        """Delete control variates that no run needs any more; those that are gone already too."""

    def score(self, run: Run, closed: ClosedRound) -> Mapping[str, float | None]:
        """Return loss and metrics of a round's version on the coordinator's test data.

        `None` is a figure that is not finite.
        """

    def export(self, run: Run) -> None:
        """Give the user the run's best and last version."""


@dataclass(frozen=True)
class Rules:
    """What the engine goes by beside the runs' own specifications.

    Attributes:
        gate: When gates open and close.
        weights: How much each part of a score counts, as `score_weights` returns them.
        valid: How long after its issue a site may begin an assignment, on the grid clock.
        max_attempts: How often an assignment is issued before it is given up.
        network_kwh_per_gb: What moving bytes takes.
        away_after: The coordinator was away if it did not look around for longer; zero where it
            never is. Answers that came meanwhile have as long to be received.
        stagger: Over which part of an hour an asynchronous run spreads the starts of its clients.
    """

    gate: GateRule
    weights: Mapping[str, float]
    valid: timedelta
    max_attempts: int
    network_kwh_per_gb: float
    away_after: timedelta = timedelta(0)
    stagger: timedelta = timedelta(0)

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """Return the rules that the settings describe."""
        return cls(
            gate=gate_rule(settings),
            weights=score_weights(settings.score_weights),
            valid=timedelta(hours=settings.valid_h),
            max_attempts=settings.max_attempts,
            network_kwh_per_gb=settings.network_kwh_per_gb,
            away_after=timedelta(seconds=max(settings.silent_after_s, 3 * settings.tick_s)),
            stagger=_stagger(settings),
        )


def _stagger(settings: Settings) -> timedelta:
    """Return how much of an hour of the grid clock ends well before its last look."""
    looks = timedelta(seconds=2 * settings.tick_s * settings.grid_speed)
    return max(timedelta(0), HOUR - looks)


@dataclass(frozen=True)
class World:
    """Everything the engine's steps may touch."""

    history: History
    work: Work
    learning: Learning
    grid: Grid
    clock: Clock
    rules: Rules

    @cached_property
    def absence(self) -> Absence:
        """When the coordinator was away, as this process has seen."""
        return Absence(self.rules.away_after)

    def judged_at(self, run: Run) -> datetime:
        """Return at which time the deadline of a run's open round is judged, wall clock."""
        return self.judges(run.open_round.deadline) if run.open_round else self.clock.wall()

    def judges(self, deadline: datetime) -> datetime:
        """Return at which time a deadline is judged, both on the wall clock."""
        now = self.clock.wall()
        if now < deadline:
            return now
        waits = bool(self.rules.away_after) and self.work.has_unread()
        return self.absence.judged_at(deadline, now, unread=waits)

    def run(self, run_id: str) -> Run:
        """Return a run as of the last event."""
        return self.history.state.runs[run_id]

    def record(self, make: Callable[[Federation], Sequence[Draft]]) -> Sequence[Draft]:
        """Append what `make` returns for the newest state, worked out while nothing is locked.

        Where somebody appended meanwhile, `make` is called again with the state as it is by then:
        it must be cheap, and return nothing where there is nothing left to record.

        Returns:
            What was appended.
        """
        while True:
            state = self.history.state
            after, drafts = state.seq, make(state)
            if not drafts or self.history.append(*drafts, after=after):
                return drafts
