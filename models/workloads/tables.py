"""The tables that come with scikit-learn, read without importing it: that takes over a second."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from common.errors import WorkloadError


def read_table(file: str, *, header_lines: int) -> Tensor:
    """Return one of scikit-learn's data files as numbers, `(num_rows, num_columns)`, float64.

    Raises:
        WorkloadError: If scikit-learn is not installed.
    """
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        msg = (
            "scikit-learn is not installed, so its data sets cannot be trained on. "
            "Run: pip install scikit-learn"
        )
        raise WorkloadError(msg)
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / file
    return torch.from_numpy(np.loadtxt(path, delimiter=",", skiprows=header_lines))


def hold_out(features: Tensor, labels: Tensor) -> tuple[TensorDataset, TensorDataset]:
    """Split off every fifth example as test data, in the proportions of the classes.

    Args:
        features: `(num_examples, ...)`.
        labels: The class of every example, `(num_examples,)`.

    Returns:
        Training and test data, the same at every call.
    """
    drawn = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    by_class = drawn[labels[drawn].argsort(stable=True)]
    in_test = torch.zeros(len(labels), dtype=torch.bool)
    in_test[by_class[::5]] = True
    return (
        TensorDataset(features[~in_test], labels[~in_test]),
        TensorDataset(features[in_test], labels[in_test]),
    )
