"""A workload whose model has parameters of 16 bits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

loss = nn.functional.mse_loss


def model() -> nn.Module:
    return nn.Linear(2, 1, dtype=torch.float16)


def train_data(_client_id: str) -> TensorDataset:
    return TensorDataset(torch.ones(4, 2, dtype=torch.float16), torch.ones(4, 1))


def test_data() -> None:
    return None


def metrics(_outputs: Tensor, _targets: Tensor) -> dict[str, float]:
    return {}
