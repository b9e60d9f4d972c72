"""Whether FedNova helps where sites do different numbers of local epochs: accuracy on digits."""

from __future__ import annotations

from random import Random

import torch

from benchmarks.accuracy import columns
from common.errors import FairwindError
from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort
from models.evaluation import evaluate
from models.server_optimizers import make_server_optimizer
from models.update import trainable_parameters
from models.version import initial_version, next_state
from models.workload import load_workload
from models.workloads.partition import dirichlet_split
from models.workloads.share import rows_of
from scheduler.rounds.fednova import effective_steps, normalised_weights

_CLIENTS, _ROUNDS, _LAST, _SEEDS, _EPOCHS = 10, 60, 5, range(3), 5
_LOGGED = (10, 30)
_NORM_BOUND = 1000.0


def measure_unequal_work() -> None:
    """Print accuracy with FedAvg and FedNova, epochs drawn each round or fixed for each client."""
    torch.set_num_threads(1)
    print(
        f"\nunequal work: digits, {_CLIENTS} clients (Dirichlet 0.3), accuracy in % after "
        f"{_LOGGED[0]} and {_LOGGED[1]} rounds and over the last {_LAST} of {_ROUNDS}, "
        f"mean of {len(_SEEDS)} seeds"
    )
    for work in ("drawn", "fixed"):
        for algorithm in ("fedavg", "fednova"):
            try:
                runs = [_accuracies(algorithm, work, seed) for seed in _SEEDS]
            except FairwindError as error:
                print(f"  not measured: {error}")
                return
            print(f"  epochs {work:<6} {algorithm:<8} {columns(runs, _LOGGED, _LAST)}")


def _accuracies(algorithm: str, work: str, seed: int) -> list[float]:
    """Return the accuracy after each round."""
    digits = load_workload("digits", allowed=("digits",))
    examples = digits.train_examples()  # type: ignore[attr-defined] # one that ships
    parts = dirichlet_split(examples.tensors[1].numpy(), _CLIENTS, alpha=0.3, seed=seed)
    data = {f"c{i}": rows_of(examples, rows) for i, rows in enumerate(parts)}
    cohort, test_data = Cohort(digits, data, batched=False), digits.test_data()
    assert test_data is not None  # noqa: S101 - digits has some
    asked = Hyperparameters(learning_rate=0.1, epochs=_EPOCHS)
    version, parameters = initial_version(digits, seed), trainable_parameters(digits.model())
    rng, found = Random(seed), []  # noqa: S311 - a draw, not a secret
    for number in range(_ROUNDS):
        works = [
            ClientWork(
                client, seed * 1_000_003 + number * 101 + i,
                rng.randint(1, _EPOCHS) if work == "drawn" else (1, _EPOCHS)[i % 2],
            )
            for i, client in enumerate(data)
        ]  # fmt: skip
        updates = cohort.train(version, works, hyperparameters=asked)
        weights, divisor = updates.num_examples.tolist(), None
        if algorithm == "fednova":
            steps = [
                effective_steps(k, learning_rate=asked.learning_rate, momentum=0.0, mu=0.0)
                for k in updates.num_steps.tolist()
            ]
            weights, divisor = normalised_weights(weights, steps)
        version, _ = next_state(
            version, {}, updates.deltas, weights, divisor=divisor, parameters=parameters,
            norm_bound=_NORM_BOUND, optimizer=make_server_optimizer("fedavg", learning_rate=1.0),
        )  # fmt: skip
        accuracy = evaluate(digits, digits.model(), version, test_data)["accuracy"]
        assert accuracy is not None  # noqa: S101 - of figures that are finite
        found.append(accuracy)
    return found
