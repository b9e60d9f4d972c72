"""What record privacy costs: time of a step, and accuracy on digits at two budgets."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters
from models.evaluation import evaluate
from models.privacy.accountant import epsilon_of
from models.privacy.secret_bits import SecretBits, secret_of_seed
from models.privacy.spending import Spending, usual_delta
from models.training import Trainer, warm_up
from models.update import model_state
from models.version import initial_version
from models.workload import load_workload
from models.workloads.digits import train_examples

_TARGETS = (8.0, 3.0)
_ROUNDS, _CLIENTS = 20, 5
_MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron, 2 K": (lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
                        (64,)),
    "convolutions, 29 K": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(4),
            nn.Flatten(), nn.Linear(800, 30), nn.ReLU(), nn.Linear(30, 10),
        ),
        (1, 24, 24),
    ),
}  # fmt: skip


def measure_privacy() -> None:
    """Print what a step takes with and without, what noise takes, and accuracy at each budget."""
    warm_up(1)
    _print_steps()
    _print_noise()
    _print_accuracy()


def _print_steps() -> None:
    """Processor time, as nothing else on the machine changes it much."""
    for name, (model, shape) in _MODELS.items():
        workload = SimpleNamespace(__name__="bench", model=model, loss=cross_entropy)
        generator = torch.Generator().manual_seed(1)
        data = TensorDataset(
            torch.randn(2048, *shape, generator=generator),
            torch.randint(10, (2048,), generator=generator),
        )
        trainer = Trainer.of(workload, data)
        plain = _step_ms(trainer, Hyperparameters(steps=30, batch_size=64))
        private = _step_ms(trainer, Hyperparameters(steps=30, batch_size=64, privacy="record"))
        print(
            f"step on 64, {name}: plain {plain:.2f} ms, private {private:.2f} ms of CPU, "
            f"{private / plain:.1f} times"
        )


def _step_ms(trainer: Trainer, asked: Hyperparameters) -> float:
    base, best = model_state(trainer.models.new()), float("inf")
    for _ in range(3):
        begun = time.process_time()
        trainer.train(base, hyperparameters=asked, seed=1, secret=secret_of_seed(1))
        best = min(best, time.process_time() - begun)
    return 1e3 * best / (asked.steps or 1)


def _print_noise() -> None:
    begun = time.process_time()
    SecretBits(secret_of_seed(1), "noise").noise(1_000_000, std=1.0)
    print(f"noise for 1,000,000 parameters: {time.process_time() - begun:.2f} s of CPU")


def _print_accuracy() -> None:
    """Federated averaging on digits, even parts, each site at the same budget."""
    loaded = load_workload("digits", allowed=["digits"])
    whole = train_examples()
    rows = torch.randperm(len(whole), generator=torch.Generator().manual_seed(1))
    parts = [torch.utils.data.Subset(whole, part.tolist()) for part in rows.chunk(_CLIENTS)]
    trainers = [Trainer.of(loaded, part) for part in parts]
    plain = Hyperparameters(epochs=2, batch_size=32, learning_rate=0.2)
    print(f"digits, {_CLIENTS} sites, {_ROUNDS} rounds, no privacy: {_accuracy(trainers, plain)}")
    for target in _TARGETS:
        asked = plain.model_copy(update={"privacy": "record", "clip_norm": 1.0})
        asked = asked.model_copy(update={"noise_multiplier": _noise_for(trainers, asked, target)})
        print(
            f"digits, epsilon {target:g} at each site (noise multiplier "
            f"{asked.noise_multiplier:.2f}): {_accuracy(trainers, asked)}"
        )


def _noise_for(trainers: list[Trainer], asked: Hyperparameters, target: float) -> float:
    """Return the least noise, in hundredths, with which all rounds cost a site no more."""
    count = min(trainer.num_examples for trainer in trainers)
    steps = _ROUNDS * asked.expected_steps(count)
    rate, low, high = asked.batch_size / count, 30, 1000
    while low < high:
        middle = (low + high) // 2
        spending = Spending(middle / 100, rate, steps)
        if epsilon_of([spending], usual_delta(count)) <= target:
            high = middle
        else:
            low = middle + 1
    return high / 100


def _accuracy(trainers: list[Trainer], asked: Hyperparameters) -> str:
    """Return the accuracy after all rounds, of three seeds."""
    found = []
    workload = load_workload("digits", allowed=["digits"])
    test = workload.test_data()
    assert test is not None  # noqa: S101 - digits has some
    for seed in range(3):
        state = initial_version(workload, seed)
        for number in range(_ROUNDS):
            seeds = [1000 * seed + 10 * number + place for place in range(len(trainers))]
            deltas = [
                trainer.train(
                    state, hyperparameters=asked, seed=each, secret=secret_of_seed(each)
                ).delta
                for trainer, each in zip(trainers, seeds, strict=True)
            ]
            state = {
                name: tensor + sum(delta[name] for delta in deltas) / len(deltas)
                if name in deltas[0] else tensor
                for name, tensor in state.items()
            }  # fmt: skip
        found.append(evaluate(workload, trainers[0].models.new(), state, test)["accuracy"] or 0.0)
    return f"accuracy {min(found):.3f} to {max(found):.3f}, three seeds"
