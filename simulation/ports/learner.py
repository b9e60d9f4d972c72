"""What a simulation asks of learning beside what the engine does, and a stand-in for it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from common.messages import MemoryRef, Receipt
from models.batched import ClientWork
from models.local_part import LocalPart
from models.metric_values import Metrics
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.round import Round
from scheduler.federation.run import Run
from scheduler.rounds.world import Admitted, FirstVersion, Learning, NextVersion


@dataclass(frozen=True, slots=True)
class TrainingFigures:
    """The figures of training for one update; `norm` is its L2 norm, NaN if it diverged.

    `num_examples` is on how many examples it trained in each epoch, `num_steps` how many steps its
    optimizer took, 0 if unknown; `None` where nothing was trained. `memory` names what the site
    remembers of it, `None` for nothing.
    """

    loss: float | None
    utility: float | None
    norm: float
    metrics: Metrics
    num_held_out: int
    num_examples: int | None = None
    num_steps: int | None = None
    memory: str | None = None


@dataclass(frozen=True, slots=True)
class VersionScore:
    """What a version is worth.

    Attributes:
        metrics: As in production.
        by_label: The accuracy on each of the learner's labels; empty if it knows none.
        by_site: The run's metric on each client's own test data; empty if they have none.
    """

    metrics: Metrics
    by_label: tuple[float, ...]
    by_site: Mapping[str, float]


class Learner(Learning, Protocol):
    """The engine's learning, and what virtual sites need beside it."""

    @property
    def batched(self) -> bool | None:
        """Whether all clients of a round train at once; `None` without training."""

    @property
    def reason(self) -> str:
        """Why, in one sentence."""

    @property
    def version(self) -> str:
        """The SHA-256 that names the newest version."""

    @property
    def version_nbytes(self) -> int:
        """Size of a version."""

    @property
    def frozen_nbytes(self) -> int:
        """Size of the model's frozen part, which each site pulls once; 0 if it has none."""

    @property
    def update_nbytes(self) -> int:
        """Size of an update."""

    @property
    def labels(self) -> Sequence[float]:
        """The labels of the test data; empty if it is no classification."""

    @property
    def scores(self) -> Mapping[int, VersionScore]:
        """What the version of each scored round is worth in detail, by the round's number."""

    def train(self, works: Sequence[ClientWork], round_: Round) -> None:
        """Train clients with a part in the open round; all of them from one version."""

    def figures(self, client: str, issued: int) -> TrainingFigures | None:
        """Return what training gave for a client's update; `None` if it has not trained.

        Args:
            client: Its id.
            issued: The round in which its assignment was issued.
        """

    def num_held_out(self, client: str) -> int:
        """Return on how many held-out examples a client scores what it pulls."""

    def held_out_metrics(self, part: LocalPart, memory: MemoryRef | None) -> Metrics:
        """Return the metrics on the held-out examples of a part's client.

        They are of the newest version, or of the client's own model where the run leaves it one.
        """


class InMemory:
    """What both learners share: nothing is stored, so there is nothing to forget or to export."""

    version_nbytes = 0
    frozen_nbytes = 0

    def pulled_nbytes(self, run: Run) -> int:  # noqa: ARG002 - the port's
        """Return the size of a version."""
        return self.version_nbytes

    def most_frozen_nbytes(self, run: Run) -> int:  # noqa: ARG002 - the port's
        """Return the size of the model's frozen part."""
        return self.frozen_nbytes

    def withdraw(self, version: str) -> None:
        """Do nothing: no version is in flight."""

    def check_in_flight(self, run: Run, version: str) -> None:
        """Do nothing: no version is in flight."""

    def discard(self, names: Collection[str]) -> None:
        """Do nothing: what is replaced is forgotten at once."""

    def export(self, run: Run) -> None:
        """Do nothing: the outcome is all there is."""


class NoLearning(InMemory):
    """Stands in where only the scheduling is of interest: versions are names, updates empty."""

    batched = None
    reason = "nothing is learned"
    update_nbytes = 0
    labels: Sequence[float] = ()
    scores: Mapping[int, VersionScore] = MappingProxyType({})

    def __init__(self, seed: int) -> None:
        self.version = hashlib.sha256(f"{seed}".encode()).hexdigest()

    def open(self, run: Run) -> FirstVersion:  # noqa: ARG002 - the port's
        """Name the first version."""
        return FirstVersion(self.version, num_params=0, scored_here=False)

    def train(self, works: Sequence[ClientWork], round_: Round) -> None:
        """Do nothing."""

    def figures(self, client: str, issued: int) -> TrainingFigures | None:  # noqa: ARG002 - the protocol's
        """Return empty figures."""
        return _NOTHING

    def num_held_out(self, client: str) -> int:  # noqa: ARG002 - the protocol's
        """Return 0: there are no tests."""
        return 0

    def held_out_metrics(self, part: LocalPart, memory: MemoryRef | None) -> Metrics:  # noqa: ARG002 - the protocol's
        """Return nothing: there are no tests."""
        return {}

    def admit(self, run: Run, receipt: Receipt) -> Admitted:  # noqa: ARG002 - the port's
        """Admit every update."""
        return admitted(receipt, norm=0.0)

    def make(self, run: Run, round_: Round) -> NextVersion:  # noqa: ARG002 - the port's
        """Name the next version."""
        names = ",".join(line.sha256 for line in round_.manifest or ())
        named = f"{self.version}{names}"
        self.version = hashlib.sha256(named.encode()).hexdigest()
        return NextVersion(self.version, None)

    def score(self, run: Run, closed: ClosedRound) -> Metrics:  # noqa: ARG002 - the port's
        """Return nothing: there are no tests."""
        return {}


_NOTHING = TrainingFigures(loss=None, utility=None, norm=0.0, metrics={}, num_held_out=0)


def admitted(receipt: Receipt, *, norm: float) -> Admitted:
    """Return what admitting the update of a receipt gives: it names its own bytes."""
    assert receipt.update is not None  # noqa: S101 - it trained, for the type checker
    return Admitted(receipt.update.sha256, receipt.update.nbytes, norm)
