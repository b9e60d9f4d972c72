"""A workload whose model and data follow the options of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

loss = nn.functional.cross_entropy


def model(options: Mapping[str, Any]) -> nn.Module:
    return nn.Linear(4, options.get("classes", 2))


def train_data(client_id: str, options: Mapping[str, Any]) -> TensorDataset:
    points = torch.randn(
        options.get("points", 64), 4, generator=torch.Generator().manual_seed(len(client_id))
    )
    return TensorDataset(points, (points[:, 0] > 0).long())


def test_data(options: Mapping[str, Any]) -> TensorDataset:
    return train_data("test", options)


def metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    return {"accuracy": (logits.argmax(dim=1) == targets).float().mean().item()}
