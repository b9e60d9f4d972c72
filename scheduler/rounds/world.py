"""The world that the engine runs in: three narrow ports, a grid, a clock and the rules.

Production, a simulation and a forecast are three worlds. What a run does next is written once, over
these ports: see `scheduler.rounds.engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from common.clock import Clock
from common.messages import Receipt
from common.settings import Settings
from scheduler.carbon.grid import Grid
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import ClosedRound, Round
from scheduler.gate.gate import GateRule, gate_rule
from scheduler.ledger.event import Draft
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


class Work(Protocol):
    """Sends assignments to sites, and says what has been seen of the sites."""

    def observe(self, state: Federation) -> Sequence[Draft]:
        """Return what has changed outside since the last event: clients, readings, sources."""

    def send(self, run: Run, clients: Sequence[str]) -> None:
        """Send the assignments of these clients of the run's open round.

        What cannot be sent is lost, and issued again later.
        """

    def lost(self, run: Run) -> Sequence[str]:
        """Return the clients whose open assignment was lost on its way there or back."""

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
        scored_here: Whether the coordinator has test data; else sites score what they pull.
    """

    version: str
    num_params: int
    scored_here: bool


@dataclass(frozen=True, slots=True)
class NextVersion:
    """The version that a committed round makes, and the server optimizer's state, if it has one."""

    version: str
    server_state: str | None


class Learning(Protocol):
    """Admits updates, makes versions of them and scores these. May raise any `FairwindError`."""

    def open(self, run: Run) -> FirstVersion:
        """Make a run's first version."""

    def exponent(self, norm_bound: float, heaviest: int) -> int:
        """Return the exponent of the fixed-point scale on which a round's updates are summed."""

    def pulled_nbytes(self, run: Run) -> int:
        """Return the size of the model that a site pulls for a run's round."""

    def admit(self, run: Run, receipt: Receipt) -> Admitted:
        """Receive, check and keep the update that a receipt names.

        Raises:
            TransportError: If its bytes are missing: the site is asked to send them again.
            UpdateError: If they are no update that may count.
        """

    def make(self, run: Run, round_: Round) -> NextVersion:
        """Make the version of a committed round: a pure function of the manifest."""

    def published(self, round_: Round) -> None:
        """Take note that a round's version is recorded: nobody pulls its base any more."""

    def score(self, run: Run, closed: ClosedRound) -> dict[str, float]:
        """Return loss and metrics of a round's version on the coordinator's test data."""

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
    """

    gate: GateRule
    weights: Mapping[str, float]
    valid: timedelta
    max_attempts: int
    network_kwh_per_gb: float

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """Return the rules that the settings describe."""
        return cls(
            gate=gate_rule(settings),
            weights=score_weights(settings.score_weights),
            valid=timedelta(hours=settings.valid_h),
            max_attempts=settings.max_attempts,
            network_kwh_per_gb=settings.network_kwh_per_gb,
        )


@dataclass(frozen=True)
class World:
    """Everything the engine's steps may touch."""

    history: History
    work: Work
    learning: Learning
    grid: Grid
    clock: Clock
    rules: Rules

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
