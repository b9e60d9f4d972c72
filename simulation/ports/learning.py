"""Learning in a simulation: the real models, trained by those whose updates will count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from dataclasses import replace
from typing import NamedTuple

import torch

from common.errors import WorkloadError
from common.messages import MemoryRef, Receipt
from models.batched import ClientWork, Cohort, Updates
from models.error_feedback import encode_update
from models.evaluation import evaluate, predict
from models.evaluators import coordinator_evaluates
from models.local_part import LocalPart
from models.memory import Memory
from models.metric_values import Metrics
from models.model_factory import ModelFactory
from models.personal import split_layers
from models.scorer import judge
from models.server_optimizers import make_server_optimizer
from models.update import State, check_norm, delta_nbytes, trainable_parameters
from models.update_encoding import decoded, encoded_signature
from models.version import initial_version, next_state
from models.workload import Data, Workload, blamed, num_examples, states_lower
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.round import UNANSWERED, Round
from scheduler.federation.run import Run
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.robust_figures import figures_of
from scheduler.rounds.world import Admitted, FirstVersion, NextVersion
from simulation.ports.control_states import ControlStates
from simulation.ports.labels import known_labels, right_by_label
from simulation.ports.learner import InMemory, TrainingFigures, VersionScore, admitted
from simulation.ports.liars import Liars
from simulation.ports.site_memories import SiteMemories
from simulation.ports.version_bytes import VersionBytes

_ONE_BY_ONE = "each site has a model of its own, so clients train one after the other"

_NOT_BATCHED = (
    "Clients cannot be trained in batches where each site has a model of its own, so nothing was "
    "simulated. Leave out batched under [workload], --personal or --ditto."
)


class _Trained(NamedTuple):
    """Where a client's update is, its norm, and the round that issued its assignment."""

    updates: Updates
    row: int
    norm: float
    issued: int


class _Latest(NamedTuple):
    """A client's latest update that counts, and the version it was trained from."""

    delta: State
    version: str
    base: State


class InMemoryLearning(InMemory):
    """Holds the newest version, older ones somebody trains from, and open updates, in memory.

    Args:
        workload: What is learned; also an attribute.
        data: Every client's examples.
        held_out: What clients score the pulled model on, where they do.
        site_tests: The test data of clients that have their own.
        spec: The run's.
        batched: Whether all clients train at once; `None` where it is possible and pays.
        first: The version to begin from; `None` for a new model.
        liars: What clients send that lie.
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
        first: State | None = None,
        liars: Liars,
    ) -> None:
        self.workload = workload
        self._spec = spec
        self._site_tests = site_tests
        self._liars = liars
        own = spec.has_own_models
        if own and batched:
            raise WorkloadError(_NOT_BATCHED)
        batched = False if own else batched
        self._cohort = Cohort(workload, data, held_out=held_out, batched=batched)
        self.batched = self._cohort.batched
        self.reason = _ONE_BY_ONE if own else self._cohort.reason
        self._models = ModelFactory(workload)
        with blamed(workload, "simulation"):
            test_data = workload.test_data()
        here = coordinator_evaluates(
            workload, has_test_data=test_data is not None, evaluate=spec.evaluators
        )
        self._test_data = test_data if here else None
        model = self._models.new()
        self._parameters = trainable_parameters(model)
        self._state = initial_version(workload, spec.seed) if first is None else first
        self._server_state: State = {}
        self._bytes = VersionBytes(model, self._state)
        self.frozen_nbytes = self._bytes.frozen_nbytes
        self.version = self._bytes.name(self._state)
        self.version_nbytes = self._bytes.nbytes(self._state)
        self._layers = split_layers(model, spec.personal)
        self._signature = self._layers.shared
        self.update_nbytes = delta_nbytes(encoded_signature(self._signature, spec.encoding))
        self._bases = {self.version: self._state}
        self._trained: dict[str, _Trained] = {}
        self._latest: dict[str, _Latest] = {}
        self._memories = SiteMemories()
        self._evaluated_on: dict[str, int] = {}
        self._controls = ControlStates(self._parameters)
        self._held_out = held_out or {}
        self.scores: dict[int, VersionScore] = {}
        self.labels = known_labels(workload, self._models, self._state, self._test_data)

    def open(self, run: Run) -> FirstVersion:  # noqa: ARG002 - the port's
        """Return the first version, which is there already."""
        return FirstVersion(
            version=self.version,
            frozen=self._bytes.frozen,
            num_params=sum(tensor.numel() for tensor in self._state.values()),
            scored_here=self._test_data is not None,
            metrics=self._evaluated(),
            lower_is_better=states_lower(self.workload, self._spec.metric),
            personal=tuple(sorted(self._layers.personal)),
            num_personal=self._layers.num_params,
        )

    def _evaluated(self) -> Metrics | None:
        """Return the newest version's metrics on the test data; `None` if there are none."""
        if self._test_data is None:
            return None
        return evaluate(self.workload, self._models.new(), self._state, self._test_data)

    def pulled_nbytes(self, run: Run) -> int:
        """Return the size of what a site pulls: a version, and the correction of its gradients."""
        evaluates = run.open_round is not None and run.open_round.evaluates
        return self.version_nbytes + (0 if evaluates else self._controls.nbytes)

    def admit(self, run: Run, receipt: Receipt) -> Admitted:
        """Check an update of a client that has trained.

        Raises:
            UpdateError: If its norm is beyond the run's bound, or not finite.
        """
        norm = self._trained[receipt.client].norm
        check_norm(f"of {receipt.client}", norm, norm_bound=run.spec.norm_bound)
        return admitted(receipt, norm=norm)

    def num_held_out(self, client: str) -> int:
        """Return on how many held-out examples a client scores what it pulls."""
        data = self._held_out.get(client)
        if isinstance(data, Sized):
            return num_examples(self.workload, data)
        return self._evaluated_on.get(client, 0)  # what an own evaluation reported last

    def held_out_metrics(self, part: LocalPart, memory: MemoryRef | None) -> Metrics:
        """Return the metrics on the held-out examples of a part's client."""
        kept = self._memories.named(memory)
        metrics, count = self._cohort.score(self._state, part, kept)
        self._evaluated_on[part.client] = count
        return metrics

    def train(self, works: Sequence[ClientWork], round_: Round) -> None:
        """Train clients with a part in the open round; all of them from one version."""
        ordered = [
            replace(
                work, memory=self._memories.named(round_.cohort[work.client].memory),
                correction=self._controls.correction(work.client),
            )
            for work in sorted(works, key=lambda work: work.client)
        ]  # fmt: skip
        part = round_.cohort[ordered[0].client]
        base, hyperparameters = self._bases[part.base_version], self._spec.hyperparameters
        trained = self._cohort.train(
            base, ordered, hyperparameters=hyperparameters.in_round(part.round)
        )
        updates = self._as_sent(self._liars.spoil(trained, ordered), ordered, round_)
        for row, (client, norm) in enumerate(zip(updates.clients, updates.norms(), strict=True)):
            issued = round_.cohort[client].round
            self._trained[client] = _Trained(updates, row, float(norm), issued)

    def _as_sent(self, updates: Updates, works: Sequence[ClientWork], round_: Round) -> Updates:
        """Return updates as they arrive in production: encoded at the site and decoded here."""
        if self._spec.encoding == "float32":
            for work, memory in zip(works, updates.memories, strict=True):
                self._memories.keep(work.client, memory)
            return updates
        sent = [
            self._encoded({n: d[row] for n, d in updates.deltas.items()}, work, kept, round_)
            for row, (work, kept) in enumerate(zip(works, updates.memories, strict=True))
        ]
        deltas = {
            name: torch.stack([each[name] for each in sent]).to(delta.dtype)
            for name, delta in updates.deltas.items()
        }
        return replace(updates, deltas=deltas)

    def _encoded(self, delta: State, work: ClientWork, kept: Memory, round_: Round) -> State:
        """Return a delta as it arrives, and keep what its site remembers of it."""
        part = round_.cohort[work.client]
        named = part.memory
        made = encode_update(
            delta, self._spec.encoding, seed=work.seed,
            error_feedback=self._spec.feeds_errors_back,
            memory=work.memory,
            age_rounds=part.round - named.round if named else 0,
        )  # fmt: skip
        self._memories.keep(work.client, kept | made.memory)
        return decoded(made.tensors, self._signature)

    def figures(self, client: str, issued: int) -> TrainingFigures | None:
        """Return the figures of training for a client's update; `None` if it has not trained."""
        trained = self._trained.get(client)
        if trained is None or trained.issued != issued:
            return None
        updates, row, norm, _ = trained
        return TrainingFigures(
            loss=_finite(updates.loss[row]), utility=_finite(updates.utility[row]), norm=norm,
            metrics=updates.metrics[row], num_held_out=int(updates.num_held_out[row]),
            num_examples=int(updates.num_examples[row]), num_steps=int(updates.num_steps[row]),
            memory=self._memories.made(client),
        )  # fmt: skip

    def make(self, run: Run, round_: Round) -> NextVersion:
        """Make the version of a committed round."""
        manifest, chosen = round_.manifest or (), self._spec.server_optimizer
        deltas = self._deltas([line.client for line in manifest])
        controls = self._controls.next(run, round_, self._state, deltas)
        bases: list[tuple[State, int]] = []
        if self._spec.bias == "memory":
            deltas, bases = self._latest_models(run, round_, deltas)
        self._state, kept = next_state(
            self._state, self._server_state, deltas,
            [line.weight for line in (*manifest, *round_.latest)], divisor=round_.divisor,
            bases=bases,
            parameters=self._parameters,
            norm_bound=self._spec.norm_bound,
            robust=self._spec.rule,
            optimizer=make_server_optimizer(
                chosen.name, self._spec.options, **chosen.options_at(round_.number)
            ),
        )  # fmt: skip
        self.version = self._bytes.name(self._state)
        self._forget(run, round_)
        robust = figures_of(round_, kept)
        return NextVersion(self.version, None, controls.server, controls.clients, robust)

    def _latest_models(
        self, run: Run, round_: Round, deltas: State
    ) -> tuple[State, list[tuple[State, int]]]:
        """Return the latest delta of each client, and the versions they were trained from."""
        manifest = round_.manifest or ()
        for row, line in enumerate(manifest):
            base = run.base_of(line.issued)
            delta = {name: stacked[row] for name, stacked in deltas.items()}
            self._latest[line.client] = _Latest(delta, base, self._bases[base])
        lines = (*manifest, *round_.latest)
        latest = [self._latest[line.client] for line in lines]
        weights: Counter[str] = Counter()
        for line, each in zip(lines, latest, strict=True):
            weights[each.version] += line.weight
        states = {each.version: each.base for each in latest}
        return (
            {name: torch.stack([each.delta[name] for each in latest]) for name in deltas},
            [(states[version], weight) for version, weight in sorted(weights.items())],
        )

    def _forget(self, run: Run, round_: Round) -> None:
        """Keep what assignments that may outlive the round need, beside the newest version."""
        most = round_.number + 1 - run.spec.most_stale
        parts = {
            part.client: part
            for part in round_.cohort.values()
            if run.spec.carries
            and part.round >= most
            and (part.status in UNANSWERED or part.client in round_.early)
        }
        self._trained = {
            client: trained
            for client, trained in self._trained.items()
            if client in parts and parts[client].round == trained.issued
        }
        refs = [*run.memory.values(), *(p.memory for p in parts.values() if p.memory)]
        self._memories.forget(refs, self._trained)
        bases = {part.base_version for part in parts.values()}
        self._bases = {v: s for v, s in self._bases.items() if v in bases}
        self._bases[self.version] = self._state

    def score(self, run: Run, closed: ClosedRound) -> Metrics:  # noqa: ARG002 - the port's
        """Return the newest version's metrics on the test data; `scores` keeps the details."""
        assert self._test_data is not None  # noqa: S101 - else it is not scored here
        metrics, by_label = self._scored(self._test_data)
        score = VersionScore(
            metrics=metrics,
            by_label=by_label,
            by_site={
                client: value
                for client, data in self._site_tests.items()
                if (value := self._at_site(data)) is not None
            },
        )
        self.scores[closed.number] = score
        return score.metrics

    def _scored(self, data: Data) -> tuple[Metrics, tuple[float, ...]]:
        """Return the newest version's metrics, and how it does on each label, if there are any."""
        if not self.labels:
            return evaluate(self.workload, self._models.new(), self._state, data), ()
        outputs, targets = predict(self.workload, self._models.new(), self._state, data)
        return judge(self.workload, outputs, targets), right_by_label(outputs, targets, self.labels)

    def _at_site(self, data: Data) -> float | None:
        found = evaluate(self.workload, self._models.new(), self._state, data)
        return found.get(self._spec.metric)

    def _deltas(self, clients: Sequence[str]) -> State:
        """Return the stacked deltas of these clients."""
        rows = [(self._trained[c].updates, self._trained[c].row) for c in clients]
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


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
