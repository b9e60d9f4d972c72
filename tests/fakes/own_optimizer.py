"""A workload with an optimizer of its own."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters

loss = nn.functional.mse_loss


def model() -> nn.Module:
    """Return one weight."""
    return nn.Linear(1, 1, bias=False)


def train_data(_client_id: str) -> TensorDataset:
    """Return two examples."""
    return TensorDataset(torch.ones(2, 1), torch.ones(2, 1))


def test_data() -> None:
    """Return none: sites have none either."""


def metrics(_outputs: torch.Tensor, _targets: torch.Tensor) -> dict[str, float]:
    """Return none."""
    return {}


def optimizer(parameters: list[nn.Parameter], hyperparameters: Hyperparameters) -> Optimizer:
    """Return SGD, of which nobody outside knows."""
    return SGD(parameters, lr=hyperparameters.learning_rate)
