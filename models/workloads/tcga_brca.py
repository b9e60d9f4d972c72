"""Survival with breast cancer: 1088 patients of six regions, 39 features, a Cox model.

Clinical data of The Cancer Genome Atlas, TCGA-BRCA, as prepared and split in J. Ogier du Terrail
et al., "FLamby: Datasets and Benchmarks for Cross-Silo Federated Learning in Realistic Healthcare
Settings", NeurIPS 2022, https://arxiv.org/abs/2210.04620. Unlike there, features are standardised
(age, alone, is not between 0 and 1). The files lie in the folder that FAIRWIND_DATA names.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from models.workloads.folder import data_file
from models.workloads.partition import IntArray
from models.workloads.share import natural_share

REGIONS = ("Northeast", "South", "West", "Midwest", "Europe", "Canada")
"""Where the patients were treated, the first four in the USA."""


def model() -> nn.Module:
    """Return a linear model, `(batch, 39)` standardised features to `(batch,)` log hazards."""
    return nn.Sequential(nn.Linear(39, 1, bias=False), nn.Flatten(start_dim=0))


def train_data(client_id: str) -> TensorDataset:
    """Return the training patients of one region: the first client's is the first region.

    Raises:
        WorkloadError: If FAIRWIND_PARTITION does not name the client or names more than six, or
            files are missing.
    """
    return natural_share("tcga_brca", train_examples(), natural_split(), client_id)


def train_examples() -> TensorDataset:
    """Return all 866 training patients, the same at every call.

    Targets are `(num_examples, 2)`: whether the patient died (1) or was lost from sight (0), and
    after how many days.

    Raises:
        WorkloadError: If files are missing.
    """
    return _read(*files())[0]


def natural_split() -> tuple[IntArray, ...]:
    """Return the rows of `train_examples` that belong to each of `REGIONS`."""
    return _read(*files())[2]


def natural_test_split() -> tuple[IntArray, ...]:
    """Return the rows of `test_data` that belong to each of `REGIONS`."""
    return _read(*files())[3]


def test_data() -> TensorDataset:
    """Return the 222 test patients of all regions, the same at every call.

    Raises:
        WorkloadError: If files are missing.
    """
    return _read(*files())[1]


def loss(hazards: Tensor, targets: Tensor) -> Tensor:
    """Return the negative log partial likelihood of a batch, over its number of patients.

    D. Cox, "Regression Models and Life-Tables", 1972; ties as N. Breslow, 1974. It compares the
    patients of a batch with one another, so it is no mean over single patients.

    Args:
        hazards: Log hazards, `(batch,)`.
        targets: Events and days, `(batch, 2)`.
    """
    died, days = targets.unbind(dim=1)
    not_at_risk = days[None, :] < days[:, None]  # (batch, batch): column left before row died
    at_risk = hazards.expand(len(hazards), -1).masked_fill(not_at_risk, -torch.inf)
    return ((at_risk.logsumexp(dim=1) - hazards) * died).mean()


def metrics(hazards: Tensor, targets: Tensor) -> dict[str, float]:
    """Return Harrell's C of log hazards `(num_examples,)`; targets `(num_examples, 2)`.

    Among the pairs of which it is known who died first, the share in which that one has the
    larger hazard; a tie counts half, and so does a coin.
    """
    died, days = targets[:, 0] > 0, targets[:, 1]
    outlived = (days[:, None] < days) | ((days[:, None] == days) & ~died)
    pairs = died[:, None] & outlived  # (num_examples, num_examples): row died, column lived on
    larger = (hazards[:, None] - hazards).sign()[pairs]
    return {"c_index": ((larger + 1) / 2).mean().item()}


def files() -> tuple[Path, Path]:
    """Return the files of the data set.

    Raises:
        WorkloadError: If one is missing.
    """
    return (
        data_file("tcga_brca", "tcga_brca/brca.csv"),
        data_file("tcga_brca", "tcga_brca/train_test_split.csv"),
    )


@cache
def _read(
    table: Path, split: Path
) -> tuple[TensorDataset, TensorDataset, tuple[IntArray, ...], tuple[IntArray, ...]]:
    with split.open(encoding="utf-8", newline="") as file:
        part_of = {row["pid"]: row["fold2"] for row in csv.DictReader(file)}
    with table.open(encoding="utf-8", newline="") as file:
        _header, *rows = csv.reader(file)
    rows = [row for row in rows if row[0] in part_of]  # eight patients are of no region
    parts = np.array([part_of[row[0]] for row in rows])
    values = torch.tensor([[float(value) for value in row[1:]] for row in rows])
    in_train = torch.from_numpy(np.char.startswith(parts, "train"))
    features, targets = values[:, :-2], values[:, -2:]
    mean, deviation = features[in_train].mean(dim=0), features[in_train].std(dim=0)
    standardised = (features - mean) / deviation
    places, tested = parts[in_train.numpy()], parts[~in_train.numpy()]
    return (
        TensorDataset(standardised[in_train], targets[in_train]),
        TensorDataset(standardised[~in_train], targets[~in_train]),
        tuple(np.flatnonzero(places == f"train_{region}") for region in range(len(REGIONS))),
        tuple(np.flatnonzero(tested == f"test_{region}") for region in range(len(REGIONS))),
    )
