"""Breast cancer, malignant or benign: 569 patients, 30 measures, logistic regression.

W. Wolberg, O. Mangasarian, N. Street and W. Street, "Breast Cancer Wisconsin (Diagnostic)", UCI
Machine Learning Repository 1995, https://doi.org/10.24432/C5DW2B; the copy that comes with
scikit-learn, in which 1 stands for benign.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from models.workloads.partition import client_rows

loss = nn.functional.binary_cross_entropy_with_logits


def model() -> nn.Module:
    """Return a logistic regression, `(batch, 30)` standardised features to `(batch,)` logits."""
    return nn.Sequential(nn.Linear(30, 1), nn.Flatten(start_dim=0))


def train_data(client_id: str) -> TensorDataset:
    """Return a client's share of the 455 training patients.

    Raises:
        WorkloadError: If FAIRWIND_PARTITION does not name the client.
    """
    features, labels = _split()[0].tensors
    rows = torch.from_numpy(client_rows("breast_cancer", tuple(labels.int().tolist()), client_id))
    return TensorDataset(features[rows], labels[rows])


def test_data() -> TensorDataset:
    """Return the 114 test patients, the same at every call."""
    return _split()[1]


def metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Return accuracy and area under the ROC curve of logits and targets `(num_examples,)`."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - a second of import time

    accuracy = ((logits > 0) == (targets > 0)).float().mean().item()
    return {"accuracy": accuracy, "roc_auc": float(roc_auc_score(targets, logits))}


@cache
def _split() -> tuple[TensorDataset, TensorDataset]:
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    measures, labels = load_breast_cancer(return_X_y=True)
    parts = train_test_split(measures, labels, test_size=0.2, stratify=labels, random_state=0)
    train_x, test_x, train_y, test_y = (torch.from_numpy(part) for part in parts)
    mean, deviation = train_x.mean(dim=0), train_x.std(dim=0)
    return (
        TensorDataset(((train_x - mean) / deviation).float(), train_y.float()),
        TensorDataset(((test_x - mean) / deviation).float(), test_y.float()),
    )
