"""Small models and workloads that the tests of this room share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common import settings
from models.batch import batch_sizes
from models.evaluation import evaluate
from models.loading import shuffled
from tests.known import known


class Tied(nn.Module):
    """Every kind of tensor: tied, frozen, half precision, floating and integer buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 3, bias=False)
        self.decoder = nn.Linear(3, 3)
        self.decoder.weight = self.encoder.weight
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.small = nn.Parameter(torch.ones(4, dtype=torch.float16))
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("cache", torch.zeros(5), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.norm(self.encoder(x))) * self.small.float().sum()  # type: ignore[no-any-return]


def _linear_workload(**parts: Any) -> SimpleNamespace:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(70, 3, generator=generator)
    data = TensorDataset(x, x.sum(dim=1, keepdim=True))
    workload = {
        "model": lambda: nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 1)),
        "train_data": lambda _client_id: data,
        "test_data": lambda: data,
        "loss": nn.functional.mse_loss,
        "metrics": lambda outputs, targets: {"mae": (outputs - targets).abs().mean().item()},
    }
    return SimpleNamespace(**(workload | parts))


@pytest.fixture
def make_workload() -> Any:
    """Return a function that makes a workload, any part of it replaced."""
    return _linear_workload


@pytest.fixture
def tied_model() -> Tied:
    torch.manual_seed(1)
    return Tied()


@pytest.fixture
def partition(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ...]]:
    """Split the shipped data among four clients."""
    monkeypatch.setenv("FAIRWIND_PARTITION", "ann,bob,cay,dan")
    settings.load.cache_clear()
    yield "ann", "bob", "cay", "dan"
    settings.load.cache_clear()


@pytest.fixture
def data_file() -> Callable[[str], Path]:
    """Return a function that finds a file of FAIRWIND_DATA, or skips the test."""

    def find(name: str) -> Path:
        folder = os.environ.get("FAIRWIND_DATA")
        path = Path(folder or "") / name
        if not folder or not path.is_file():
            pytest.skip(f"FAIRWIND_DATA names no folder with {name}")
        return path

    return find


@pytest.fixture
def learn() -> Iterator[Callable[..., dict[str, float]]]:
    """Give a function that trains on all examples in one place and scores on the test data."""

    def train(
        workload: Any, examples: TensorDataset | None = None, *, epochs: int, learning_rate: float
    ) -> dict[str, float]:
        data = examples or workload.train_examples()
        torch.manual_seed(0)
        model = workload.model()
        optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
        generator = torch.Generator().manual_seed(0)
        for _ in range(epochs):
            for inputs, targets in shuffled(data, batch_sizes(len(data), 32), generator):
                optimizer.zero_grad()
                workload.loss(model(inputs), targets).backward()
                optimizer.step()
        return known(evaluate(workload, model, model.state_dict(), workload.test_data()))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a site does; several wait for one another on a busy machine
    yield train
    torch.set_num_threads(threads)
