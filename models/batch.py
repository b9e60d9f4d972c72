"""Batches: how examples reach a model, in the same order for the same generator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from models.workload import Data

Batch = Any
"""What a data set's items collate to; in the absence of a training step, inputs, then targets."""


def shuffled(data: Data, batch_size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Yield all examples once in random order; the last batch may be smaller."""
    if type(data) is TensorDataset:  # a subclass may do more than index
        # indexing whole tensors spares a Python call for every example
        for rows in torch.split(torch.randperm(len(data), generator=generator), batch_size):
            yield tuple(tensor[rows] for tensor in data.tensors)
    else:
        yield from DataLoader(data, batch_size=batch_size, shuffle=True, generator=generator)


def in_order(data: Data, batch_size: int) -> Iterator[Batch]:
    """Yield all examples once in their own order; the last batch may be smaller."""
    if type(data) is TensorDataset:
        yield from zip(*(torch.split(tensor, batch_size) for tensor in data.tensors), strict=True)
    else:
        yield from DataLoader(data, batch_size=batch_size)


def forward(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return a model's outputs and the targets of one batch, on the model's own device."""
    device = next(model.parameters()).device
    *inputs, targets = (tensor.to(device) for tensor in batch)
    return model(*inputs), targets
