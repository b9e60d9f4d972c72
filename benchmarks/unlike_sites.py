"""Whether SCAFFOLD helps where sites hold few labels each: accuracy on digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple

import torch

from benchmarks.accuracy import columns
from common.errors import FairwindError
from common.hyperparameters import Hyperparameters
from models.algorithms.scaffold import correction, next_client_control, next_server_control
from models.batched import ClientWork, Cohort, Updates
from models.evaluation import evaluate
from models.server_optimizers import make_server_optimizer
from models.update import State, trainable_parameters
from models.version import initial_version, next_state
from models.workload import load_workload
from models.workloads.partition import label_split
from models.workloads.share import rows_of
from scheduler.rounds.scaffold import reach

_CLIENTS, _LABELS, _FEW, _ROUNDS, _LAST, _SEEDS = 10, 2, 3, 60, 5, range(3)
_LOGGED = (10, 30)
_NORM_BOUND = 1000.0
_ASKED = Hyperparameters(learning_rate=0.1, steps=20)


class _Contender(NamedTuple):
    name: str
    asked: Hyperparameters = _ASKED
    scaffold: bool = False


_CONTENDERS = (
    _Contender("fedavg"),
    _Contender("fedprox 0.1", _ASKED.model_copy(update={"proximal_mu": 0.1})),
    _Contender("scaffold", scaffold=True),
)


@dataclass
class _Controls:
    """c and each c_i, as the coordinator keeps them."""

    server: State | None = None
    clients: dict[str, State] = field(default_factory=dict)

    def corrected(self, work: ClientWork) -> ClientWork:
        if self.server is None:
            return work
        return replace(work, correction=correction(self.server, self.clients.get(work.client)))

    def learn(
        self, base: State, works: Sequence[ClientWork], updates: Updates, parameters: frozenset[str]
    ) -> None:
        for row, work in enumerate(works):
            delta = {name: stacked[row] for name, stacked in updates.deltas.items()}
            self.clients[work.client] = next_client_control(
                work.correction, delta, base, reach=reach(_ASKED, int(updates.num_steps[row])),
                weight_decay=0.0, parameters=parameters,
            )  # fmt: skip
        states = [control for _, control in sorted(self.clients.items())]
        self.server = next_server_control(states, _CLIENTS)


def measure_unlike_sites() -> None:
    """Print accuracy where all clients take part in each round, or a few drawn at random."""
    torch.set_num_threads(1)
    print(
        f"\nunlike sites: digits, {_CLIENTS} clients with {_LABELS} shards of labels each, "
        f"{_ASKED.steps} steps, accuracy in % after {_LOGGED[0]} and {_LOGGED[1]} rounds and over "
        f"the last {_LAST} of {_ROUNDS}, mean of {len(_SEEDS)} seeds"
    )
    for count in (_CLIENTS, _FEW):
        for contender in _CONTENDERS:
            try:
                runs = [_accuracies(contender, count, seed) for seed in _SEEDS]
            except FairwindError as error:
                print(f"  not measured: {error}")
                return
            figures = columns(runs, _LOGGED, _LAST)
            print(f"  {count:>2} of {_CLIENTS} {contender.name:<12} {figures}")


def _accuracies(contender: _Contender, count: int, seed: int) -> list[float]:
    """Return the accuracy after each round, every client counting alike."""
    digits = load_workload("digits", allowed=("digits",))
    examples = digits.train_examples()  # type: ignore[attr-defined] # one that ships
    parts = label_split(examples.tensors[1].numpy(), _CLIENTS, shards_per_client=_LABELS, seed=seed)
    data = {f"c{i}": rows_of(examples, rows) for i, rows in enumerate(parts)}
    cohort, test_data = Cohort(digits, data), digits.test_data()
    assert test_data is not None  # noqa: S101 - digits has some
    version, parameters = initial_version(digits, seed), trainable_parameters(digits.model())
    controls, rng, found = _Controls(), Random(seed), []  # noqa: S311 - a draw, not a secret
    for number in range(_ROUNDS):
        works = [
            controls.corrected(ClientWork(client, seed * 1_000_003 + number * 101 + i, epochs=1))
            for i, client in enumerate(sorted(rng.sample(sorted(data), count)))
        ]
        updates = cohort.train(version, works, hyperparameters=contender.asked)
        if contender.scaffold:
            controls.learn(version, works, updates, parameters)
        version, _ = next_state(
            version, {}, updates.deltas, [1] * count, parameters=parameters,
            norm_bound=_NORM_BOUND, optimizer=make_server_optimizer("fedavg", learning_rate=1.0),
        )  # fmt: skip
        accuracy = evaluate(digits, digits.model(), version, test_data)["accuracy"]
        assert accuracy is not None  # noqa: S101 - of figures that are finite
        found.append(accuracy)
    return found
