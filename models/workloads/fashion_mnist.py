"""Pieces of clothing: 70,000 grey images of 28 x 28 pixels, ten classes, a small network.

H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms", 2017, https://arxiv.org/abs/1708.07747; the files of Debian's package
dataset-fashion-mnist.
"""

from __future__ import annotations

import gzip
import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from models.workloads.share import skewed_share

loss = nn.functional.cross_entropy

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")

_MEAN, _DEVIATION = 72.9, 90.0
"""Of the training images' pixels, 0 to 255: fixed, since no site sees the others' images."""


def model() -> nn.Module:
    """Return a network of one hidden layer, `(batch, 28, 28)` pixels to `(batch, 10)` logits."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def train_data(client_id: str) -> TensorDataset:
    """Return a client's share of the 60,000 training images.

    Raises:
        WorkloadError: If FAIRWIND_PARTITION does not name the client, or files are missing.
    """
    return skewed_share("fashion_mnist", train_examples(), client_id)


def train_examples() -> TensorDataset:
    """Return all 60,000 training images, the same at every call.

    Raises:
        WorkloadError: If files are missing.
    """
    return _load("train")


def test_data() -> TensorDataset:
    """Return the 10,000 test images, the same at every call.

    Raises:
        WorkloadError: If files are missing.
    """
    return _load("t10k")


def metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Return the accuracy of logits `(num_examples, 10)` for targets `(num_examples,)`."""
    return {"accuracy": (logits.argmax(dim=1) == targets).float().mean().item()}


def files() -> tuple[Path, ...]:
    """Return the files of the data set.

    Raises:
        WorkloadError: If one is missing.
    """
    return tuple(file for part in ("train", "t10k") for file in _files_of(part))


def _file(name: str) -> Path:
    data = os.environ.get("FAIRWIND_DATA")
    ours = [Path(data) / "fashion-mnist"] if data else []
    for folder in (*ours, _DEBIAN):
        if (folder / name).is_file():
            return folder / name
    msg = (
        f"There is no file {_DEBIAN / name}, so the workload fashion_mnist has no data. Install "
        f"Debian's package dataset-fashion-mnist, or put its four files into fashion-mnist/ in the "
        f"folder that FAIRWIND_DATA names; see docs/data.md."
    )
    raise WorkloadError(msg)


def _load(part: str) -> TensorDataset:
    return _read(*_files_of(part))


def _files_of(part: str) -> tuple[Path, Path]:
    return _file(f"{part}-images-idx3-ubyte.gz"), _file(f"{part}-labels-idx1-ubyte.gz")


@cache
def _read(image_file: Path, label_file: Path) -> TensorDataset:
    images = _bytes_of(image_file, header=16).view(-1, 28, 28)
    labels = _bytes_of(label_file, header=8)
    return TensorDataset((images.float() - _MEAN) / _DEVIATION, labels.long())


def _bytes_of(path: Path, *, header: int) -> Tensor:
    """Return the values of a gzipped idx file of bytes, which follow a header of so many bytes."""
    with gzip.open(path) as file:
        return torch.from_numpy(np.frombuffer(bytearray(file.read()), np.uint8, offset=header))
