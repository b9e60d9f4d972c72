"""What a simulated round takes: all clients trained at once, against one after the other."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import nn
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort
from models.evaluation import evaluate
from models.server_optimizers import make_server_optimizer
from models.update import trainable_parameters
from models.version import initial_version, next_state
from models.workload import Data, Workload
from models.workloads import digits

_ROUNDS = 5
"""Timed after one that is not; the fastest counts, as nothing but other processes slows one."""

_BATCH_SIZE = 32


@dataclass(frozen=True)
class Case:
    """One federation.

    Attributes:
        name: For people.
        workload: What it trains.
        examples: Of all clients; dealt out in order, again from the first when they are used up.
        clients: How many.
        each: Examples of each client.
        target_s: What a round may take, in seconds; `None` where nothing is aimed at.
    """

    name: str
    workload: Workload
    examples: TensorDataset
    clients: int
    each: int
    target_s: float | None = None

    def data(self) -> dict[str, Data]:
        """Return every client's examples."""
        rows = torch.arange(self.clients * self.each) % len(self.examples)
        return {
            f"c{number}": TensorDataset(*(tensor[own] for tensor in self.examples.tensors))
            for number, own in enumerate(torch.split(rows, self.each))
        }


def measure_batched() -> None:
    """Print seconds per round, at once and in turn, and how they grow with the clients."""
    print(
        f"\nsimulated rounds: one epoch, batches of {_BATCH_SIZE}, sum and evaluation included;"
        f" {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    )
    took: dict[int, float] = {}
    for case in _cases():
        data = case.data()
        chosen = Cohort(case.workload, data)
        at_once_s = _round_s(case, Cohort(case.workload, data, batched=True))
        in_turn_s = _round_s(case, Cohort(case.workload, data, batched=False))
        print(f"  {case.name}, {case.clients} clients of {case.each} examples")
        print(f"    at once       {at_once_s:8.4f} s{_verdict(case, at_once_s)}")
        print(f"    in turn       {in_turn_s:8.4f} s   {in_turn_s / at_once_s:.1f} times as long")
        print(f"    chosen: {'at once' if chosen.batched else 'in turn'}, as {chosen.reason}")
        if case.workload is digits:
            took[case.clients] = at_once_s
    few, many = took
    grown = took[many] / took[few]
    print(f"  digits at once: {many // few} times the clients, {grown:.1f} times the time")


def _cases() -> list[Case]:
    digits_data = digits.train_examples()
    workload = cast("Workload", digits)
    return [
        Case("digits", workload, digits_data, clients=100, each=14, target_s=0.1),
        Case("digits", workload, digits_data, clients=1000, each=14, target_s=1.0),
        _images("small convolutional network", _convolutional),
        _images("wide network, 0.8 M values", _wide),
    ]


def _round_s(case: Case, cohort: Cohort) -> float:
    model = case.workload.model()
    state = initial_version(case.workload, 0)
    test_data = case.workload.test_data()
    fastest = float("inf")
    for round_ in range(_ROUNDS + 1):
        works = [ClientWork(f"c{c}", round_ * case.clients + c, 1) for c in range(case.clients)]
        begun = time.perf_counter()
        updates = cohort.train(state, works, hyperparameters=Hyperparameters())
        weights = updates.num_examples.tolist()
        bound = float(updates.norms().max()) * 2
        state, _ = next_state(
            state, {}, updates.deltas, weights,
            parameters=trainable_parameters(model), norm_bound=bound,
            optimizer=make_server_optimizer("fedavg"),
        )  # fmt: skip
        if test_data is not None:
            evaluate(case.workload, model, state, test_data)
        if round_ > 0:
            fastest = min(fastest, time.perf_counter() - begun)
    return fastest


def _verdict(case: Case, took_s: float) -> str:
    if case.target_s is None:
        return ""
    return f"   aimed at {case.target_s:g} s: {'met' if took_s <= case.target_s else 'missed'}"


def _images(name: str, model: Any) -> Case:
    """Return a case of random images of 28 x 28 pixels: what they show changes no time."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4000, 1, 28, 28, generator=generator)
    labels = torch.randint(0, 10, (4000,), generator=generator)
    workload = SimpleNamespace(
        model=model,
        train_data=lambda _: None,
        test_data=lambda: None,
        loss=nn.functional.cross_entropy,
        metrics=lambda *_: {},
    )
    return Case(name, workload, TensorDataset(images, labels), clients=10, each=400)


def _convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip


def _wide() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 10))
