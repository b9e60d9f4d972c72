"""Handwritten digits: 1797 images of 8 x 8 pixels, ten classes, a small network.

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository 1998, https://doi.org/10.24432/C50P49; the copy that comes with scikit-learn.
"""

from __future__ import annotations

from functools import cache

from torch import Tensor, nn
from torch.utils.data import TensorDataset

from models.workloads.share import skewed_share, skewed_tests
from models.workloads.tables import hold_out, read_table

loss = nn.functional.cross_entropy


def model() -> nn.Module:
    """Return a network of one hidden layer, `(batch, 64)` pixels to `(batch, 10)` logits."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def train_data(client_id: str) -> TensorDataset:
    """Return a client's share of the 1437 training images.

    Raises:
        WorkloadError: If FAIRWIND_PARTITION does not name the client.
    """
    return skewed_share("digits", train_examples(), client_id)


def held_out_data(client_id: str) -> TensorDataset:
    """Return a client's share of the test images, with about the digits of its training images.

    Raises:
        WorkloadError: If FAIRWIND_PARTITION does not name the client.
    """
    return skewed_tests("digits", train_examples(), test_data(), client_id)


def train_examples() -> TensorDataset:
    """Return all 1437 training images, the same at every call."""
    return _split()[0]


def test_data() -> TensorDataset:
    """Return the 360 test images, the same at every call."""
    return _split()[1]


def metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Return the accuracy of logits `(num_examples, 10)` for targets `(num_examples,)`."""
    return {"accuracy": (logits.argmax(dim=1) == targets).float().mean().item()}


@cache
def _split() -> tuple[TensorDataset, TensorDataset]:
    table = read_table("digits.csv.gz", header_lines=0)
    return hold_out((table[:, :-1] / 16).float(), table[:, -1].long())
