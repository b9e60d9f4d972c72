"""A workload of whose model no parameter is trained."""

from __future__ import annotations

from torch import nn

from tests.fakes.half_precision import loss, metrics, test_data, train_data

__all__ = ["loss", "metrics", "model", "test_data", "train_data"]


def model() -> nn.Module:
    return nn.Linear(4, 2).requires_grad_(requires_grad=False)
