"""Workloads of the benchmarks: an update of a given size, without training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

NUM_TENSORS = 10
STEP = 0.0125


class AddConstant:
    """Adds a constant to every parameter in place of training."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = list(parameters)

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """There are no gradients."""

    def step(self) -> None:
        """Move every value by `STEP`."""
        with torch.no_grad():
            for parameter in self._parameters:
                parameter.add_(STEP)


@dataclass(frozen=True)
class Sized:
    """A model of so many float32 parameters in ten tensors, and one example to learn from."""

    num_params: int

    def model(self) -> nn.Module:
        """Return a model of ten equal vectors of zeros."""
        size = self.num_params // NUM_TENSORS
        return nn.ParameterList([torch.zeros(size) for _ in range(NUM_TENSORS)])

    def train_data(self, _client_id: str, /) -> TensorDataset:
        """Return one example."""
        return TensorDataset(torch.zeros(1, 1), torch.zeros(1))

    def test_data(self) -> None:
        """Return nothing: these models predict nothing."""

    def loss(self, outputs: Tensor, _targets: Tensor, /) -> Tensor:
        """Return the outputs' sum."""
        return outputs.sum()

    def metrics(self, _outputs: Tensor, _targets: Tensor, /) -> dict[str, float]:
        """Return nothing."""
        return {}

    def training_step(self, _model: nn.Module, _batch: tuple[Tensor, ...]) -> Tensor:
        """Return a loss that no parameter has a part in."""
        return torch.zeros((), requires_grad=True) * 1.0

    def optimizer(self, parameters: list[nn.Parameter], _hyperparameters: object) -> AddConstant:
        """Return what takes the place of an optimizer."""
        return AddConstant(parameters)


@dataclass(frozen=True)
class Adapted(Sized):
    """The same beside frozen parameters, of which no step makes use."""

    num_frozen: int = 0

    def model(self) -> nn.Module:
        """Return the vectors of `Sized` and as many frozen ones."""
        size = self.num_frozen // NUM_TENSORS
        frozen = nn.ParameterList([torch.zeros(size) for _ in range(NUM_TENSORS)])
        return nn.ModuleList([super().model(), frozen.requires_grad_(requires_grad=False)])


m1 = Sized(1_000_000)
m1_of_101 = Adapted(1_000_000, num_frozen=100_000_000)
m10 = Sized(10_000_000)
m50 = Sized(50_000_000)
