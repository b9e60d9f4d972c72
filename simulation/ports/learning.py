"""Learning in a simulation: the real models, trained by those whose updates will count."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import safetensors.torch
import torch

from common.messages import Receipt
from models.aggregation import scale_exponent
from models.batched import ClientWork, Cohort, Updates
from models.evaluation import evaluate, judge, predict
from models.server_optimizers import make_server_optimizer
from models.update import (
    State,
    check_norm,
    delta_nbytes,
    delta_signature,
    trainable_parameters,
)
from models.version import initial_version, next_state
from models.workload import Data, Workload, blamed, num_examples
from scheduler.federation.round import ClosedRound, Round
from scheduler.federation.run import Run
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.world import Admitted, FirstVersion, Learning, NextVersion


@dataclass(frozen=True, slots=True)
class TrainingFigures:
    """The figures of training for one update; `norm` is its L2 norm, NaN if it diverged."""

    loss: float | None
    utility: float | None
    norm: float
    metrics: Mapping[str, float]
    num_held_out: int


@dataclass(frozen=True, slots=True)
class VersionScore:
    """What a version is worth.

    Attributes:
        metrics: As in production.
        by_label: The accuracy on each of the learner's labels; empty if it knows none.
        by_site: The run's metric on each client's own test data; empty if they have none.
    """

    metrics: dict[str, float]
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
    def update_nbytes(self) -> int:
        """Size of an update."""

    @property
    def labels(self) -> Sequence[float]:
        """The labels of the test data; empty if it is no classification."""

    @property
    def scores(self) -> Mapping[int, VersionScore]:
        """What the version of each scored round is worth in detail, by the round's number."""

    def train(self, works: Sequence[ClientWork]) -> None:
        """Train these clients from the newest version."""

    def figures(self, client: str) -> TrainingFigures | None:
        """Return what training gave for a client's update; `None` if it has not trained."""

    def num_held_out(self, client: str) -> int:
        """Return on how many held-out examples a client scores what it pulls."""

    def held_out_metrics(self, client: str) -> Mapping[str, float]:
        """Return the newest version's metrics on a client's held-out examples."""


class _InMemory:
    """What both learners share: nothing is stored, so there is nothing to forget or to export."""

    version_nbytes = 0

    def exponent(self, norm_bound: float, heaviest: int) -> int:
        """Return the exponent of the fixed-point scale, as in production."""
        return scale_exponent(norm_bound, heaviest)

    def pulled_nbytes(self, run: Run) -> int:  # noqa: ARG002 - the port's
        """Return the size of a version."""
        return self.version_nbytes

    def published(self, round_: Round) -> None:
        """Do nothing: no version is in flight."""

    def export(self, run: Run) -> None:
        """Do nothing: the outcome is all there is."""


class NoLearning(_InMemory):
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

    def train(self, works: Sequence[ClientWork]) -> None:
        """Do nothing."""

    def figures(self, client: str) -> TrainingFigures | None:  # noqa: ARG002 - the protocol's
        """Return empty figures."""
        return _NOTHING

    def num_held_out(self, client: str) -> int:  # noqa: ARG002 - the protocol's
        """Return 0: there are no tests."""
        return 0

    def held_out_metrics(self, client: str) -> Mapping[str, float]:  # noqa: ARG002 - the protocol's
        """Return nothing: there are no tests."""
        return {}

    def admit(self, run: Run, receipt: Receipt) -> Admitted:  # noqa: ARG002 - the port's
        """Admit every update."""
        return _admitted(receipt, norm=0.0)

    def make(self, run: Run, round_: Round) -> NextVersion:  # noqa: ARG002 - the port's
        """Name the next version."""
        names = ",".join(line.sha256 for line in round_.manifest or ())
        named = f"{self.version}{round_.exponent}{names}"
        self.version = hashlib.sha256(named.encode()).hexdigest()
        return NextVersion(self.version, None)

    def score(self, run: Run, closed: ClosedRound) -> dict[str, float]:  # noqa: ARG002 - the port's
        """Return nothing: there are no tests."""
        return {}


_NOTHING = TrainingFigures(loss=None, utility=None, norm=0.0, metrics={}, num_held_out=0)


def _admitted(receipt: Receipt, *, norm: float) -> Admitted:
    assert receipt.update is not None  # noqa: S101 - it trained, for the type checker
    return Admitted(receipt.update.sha256, receipt.update.nbytes, norm)


class InMemoryLearning(_InMemory):
    """Holds the newest version and the updates of the open round, all in memory.

    Args:
        workload: What is learned; also an attribute.
        data: Every client's examples.
        held_out: What clients score the pulled model on, where the coordinator has no test data.
        site_tests: The test data of clients that have their own.
        spec: The run's.
        batched: Whether all clients train at once; `None` where it is possible and pays.
    """

    def __init__(
        self,
        workload: Workload,
        data: Mapping[str, Data],
        *,
        held_out: Mapping[str, Data] | None,
        site_tests: Mapping[str, Data],
        spec: RunSpec,
        batched: bool | None,
    ) -> None:
        self.workload = workload
        self._spec = spec
        self._site_tests = site_tests
        self._cohort = Cohort(workload, data, held_out=held_out, batched=batched)
        self.batched, self.reason = self._cohort.batched, self._cohort.reason
        with blamed(workload, "simulation"):
            self._model, self._test_data = workload.model(), workload.test_data()
        self._parameters = trainable_parameters(self._model)
        self._optimizer = make_server_optimizer(
            spec.server_optimizer.name, **spec.server_optimizer.options
        )
        self._state = initial_version(workload, spec.seed)
        self._server_state: State = {}
        self.version = self._named()
        self.version_nbytes = len(safetensors.torch.save(self._state))
        self.update_nbytes = delta_nbytes(delta_signature(self._model))
        self._trained: dict[str, tuple[Updates, int, float]] = {}
        self._held_out = held_out or {}
        self.scores: dict[int, VersionScore] = {}
        self.labels = self._known_labels()

    def open(self, run: Run) -> FirstVersion:  # noqa: ARG002 - the port's
        """Return the first version, which is there already."""
        return FirstVersion(
            version=self.version,
            num_params=sum(tensor.numel() for tensor in self._state.values()),
            scored_here=self._test_data is not None,
        )

    def admit(self, run: Run, receipt: Receipt) -> Admitted:
        """Check an update of a client that has trained.

        Raises:
            UpdateError: If its norm is beyond the run's bound, or not finite.
        """
        norm = self._trained[receipt.client][2]
        check_norm(f"of {receipt.client}", norm, norm_bound=run.spec.norm_bound)
        return _admitted(receipt, norm=norm)

    def num_held_out(self, client: str) -> int:
        """Return on how many held-out examples a client scores what it pulls."""
        return num_examples(self.workload, self._held_out[client]) if self._held_out else 0

    def held_out_metrics(self, client: str) -> Mapping[str, float]:
        """Return the newest version's metrics on a client's held-out examples."""
        data = self._held_out[client]
        return _finite_ones(evaluate(self.workload, self._model, self._state, data))

    def train(self, works: Sequence[ClientWork]) -> None:
        """Train these clients from the newest version."""
        ordered = sorted(works, key=lambda work: work.client)
        updates = self._cohort.train(
            self._state, ordered, hyperparameters=self._spec.hyperparameters
        )
        for row, (client, norm) in enumerate(zip(updates.clients, updates.norms(), strict=True)):
            self._trained[client] = updates, row, float(norm)

    def figures(self, client: str) -> TrainingFigures | None:
        """Return the figures of training for a client's update; `None` if it has not trained."""
        if client not in self._trained:
            return None
        updates, row, norm = self._trained[client]
        return TrainingFigures(
            loss=_finite(updates.loss[row]), utility=_finite(updates.utility[row]), norm=norm,
            metrics=updates.metrics[row], num_held_out=int(updates.num_held_out[row]),
        )  # fmt: skip

    def make(self, run: Run, round_: Round) -> NextVersion:  # noqa: ARG002 - the port's
        """Make the version of a committed round."""
        manifest = round_.manifest or ()
        self._state = next_state(
            self._state, self._server_state, self._deltas([line.client for line in manifest]),
            [line.weight for line in manifest], parameters=self._parameters,
            exponent=round_.exponent, optimizer=self._optimizer,
        )  # fmt: skip
        self._trained.clear()
        self.version = self._named()
        return NextVersion(self.version, None)

    def score(self, run: Run, closed: ClosedRound) -> dict[str, float]:  # noqa: ARG002 - the port's
        """Return the newest version's metrics on the test data; `scores` keeps the details."""
        assert self._test_data is not None  # noqa: S101 - else it is not scored here
        outputs, targets = predict(self.workload, self._model, self._state, self._test_data)
        score = VersionScore(
            metrics=_finite_ones(judge(self.workload, outputs, targets)),
            by_label=self._by_label(outputs, targets),
            by_site=_finite_ones(
                {client: self._at_site(data) for client, data in self._site_tests.items()}
            ),
        )
        self.scores[closed.number] = score
        return score.metrics

    def _by_label(self, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[float, ...]:
        right = _guess(outputs) == targets.long() if self.labels else targets
        return tuple(right[targets == label].double().mean().item() for label in self.labels)

    def _at_site(self, data: Data) -> float:
        found = evaluate(self.workload, self._model, self._state, data)
        return found.get(self._spec.metric, math.nan)

    def _deltas(self, clients: Sequence[str]) -> State:
        """Return the stacked deltas of these clients."""
        rows = [self._trained[client][:2] for client in clients]
        first = rows[0][0]
        if all(updates is first for updates, _ in rows):
            places = [row for _, row in rows]
            if places == list(range(len(first.clients))):
                return first.deltas
            return {name: delta[torch.tensor(places)] for name, delta in first.deltas.items()}
        return {
            name: torch.stack([updates.deltas[name][row] for updates, row in rows])
            for name in first.deltas
        }

    def _named(self) -> str:
        """Return the SHA-256 of the newest version's bytes, as production names them."""
        return hashlib.sha256(safetensors.torch.save(self._state)).hexdigest()

    def _known_labels(self) -> Sequence[float]:
        """Return the labels of the test data, if it is a classification that we understand."""
        if self._test_data is None:
            return ()
        outputs, targets = predict(self.workload, self._model, self._state, self._test_data)
        if targets.dim() != 1 or not bool((targets == targets.long()).all()):
            return ()
        labels = np.unique(targets.numpy()).tolist()
        fits = outputs.dim() == 2 or len(labels) == 2  # noqa: PLR2004 - classes, or yes and no
        return tuple(labels) if fits else ()


def _guess(outputs: torch.Tensor) -> torch.Tensor:
    """Return the class of logits: `(n, classes)`, or `(n,)` for yes or no."""
    return (outputs > 0).long() if outputs.dim() == 1 else outputs.argmax(dim=1)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _finite_ones(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}
