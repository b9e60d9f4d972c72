"""Workloads of which each brings another trouble upon the site that trains it."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset


class Troubled:
    """Trains a small model; `trouble` is met once an epoch, `returned` is what it is scored by."""

    def __init__(
        self, trouble: Callable[[], object] = lambda: None, returned: object = None
    ) -> None:
        self._trouble = trouble
        self._returned = {"accuracy": 0.5} if returned is None else returned

    def model(self) -> nn.Module:
        return nn.Linear(4, 2)

    def train_data(self, _: str) -> TensorDataset:
        points = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
        return TensorDataset(points, (points[:, 0] > 0).long())

    def test_data(self) -> None:
        """Return nothing: the sites score."""

    held_out_data = train_data

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        self._trouble()
        return nn.functional.cross_entropy(logits, targets)

    def metrics(self, *_: Tensor) -> Any:
        return self._returned


def _raising(error: BaseException) -> Callable[[], object]:
    def trouble() -> None:
        raise error

    return trouble


def _endless_recursion() -> None:
    _endless_recursion()


class _OddError(BaseException):
    def __str__(self) -> str:
        raise ValueError


class _Sixty(Troubled):
    """Has a number of examples that is no power of two."""

    def train_data(self, _: str) -> TensorDataset:
        return TensorDataset(*(each[:60] for each in super().train_data(_).tensors))

    held_out_data = train_data


fine = Troubled()
sixty = _Sixty()
exits = Troubled(_raising(SystemExit(0)))
interrupted = Troubled(_raising(KeyboardInterrupt()))
out_of_memory = Troubled(_raising(MemoryError()))
hungry = Troubled(lambda: torch.empty(2**32, dtype=torch.uint8))
greedy = Troubled(lambda: [bytearray(2**26) for _ in range(64)])
odd_error = Troubled(_raising(_OddError()))
surrogates = Troubled(_raising(ValueError("\udcff")))
recursive = Troubled(_endless_recursion)
killed = Troubled(lambda: os.kill(os.getpid(), signal.SIGKILL))
leaves = Troubled(lambda: os._exit(0))

too_many = Troubled(returned={f"metric-{i}": 0.1 * i for i in range(41)})
many = Troubled(returned={f"metric-{i}": float(i) for i in range(31)})
long_name = Troubled(returned={"m" * 65: 1.0})
unprintable = Troubled(returned={"\udcff": 1.0})
no_figure = Troubled(returned={"confusion": np.eye(2)})
nothing = Troubled(returned={"accuracy": None})
a_list = Troubled(returned=[0.5])
scalars = Troubled(
    returned={
        "numpy": np.float32(0.5), "torch": torch.tensor(0.25), "array": np.array(2),
        "whole": 3, "flag": np.bool_(True),  # noqa: FBT003 - the value, not an option
    }
)  # fmt: skip
