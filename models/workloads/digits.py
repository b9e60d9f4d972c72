"""Handwritten digits: 1797 images of 8 x 8 pixels, ten classes, a small network.

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository 1998, https://doi.org/10.24432/C50P49; the copy that comes with scikit-learn.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from models.workloads.partition import client_rows, hold_out

loss = nn.functional.cross_entropy


def model() -> nn.Module:
    """Return a network of one hidden layer, `(batch, 64)` pixels to `(batch, 10)` logits."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def train_data(client_id: str) -> TensorDataset:
    """Return a client's share of the 1437 training images.

    Raises:
        WorkloadError: If FAIRWIND_PARTITION does not name the client.
    """
    images, labels = _split()[0].tensors
    rows = torch.from_numpy(client_rows("digits", tuple(labels.tolist()), client_id))
    return TensorDataset(images[rows], labels[rows])


def test_data() -> TensorDataset:
    """Return the 360 test images, the same at every call."""
    return _split()[1]


def metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Return the accuracy of logits `(num_examples, 10)` for targets `(num_examples,)`."""
    return {"accuracy": (logits.argmax(dim=1) == targets).float().mean().item()}


@cache
def _split() -> tuple[TensorDataset, TensorDataset]:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - a second of import time

    pixels, labels = load_digits(return_X_y=True)
    return hold_out(torch.from_numpy(pixels / 16).float(), torch.from_numpy(labels))
