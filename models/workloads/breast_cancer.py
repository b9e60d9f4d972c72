"""Breast cancer, malignant or benign: 569 patients, 30 measures, logistic regression.

W. Wolberg, O. Mangasarian, N. Street and W. Street, "Breast Cancer Wisconsin (Diagnostic)", UCI
Machine Learning Repository 1995, https://doi.org/10.24432/C5DW2B; the copy that comes with
scikit-learn, in which 1 stands for benign.
"""

from __future__ import annotations

from functools import cache

from torch import Tensor, nn
from torch.utils.data import TensorDataset

from models.workloads.share import skewed_share
from models.workloads.tables import hold_out, read_table

loss = nn.functional.binary_cross_entropy_with_logits


def model() -> nn.Module:
    """Return a logistic regression, `(batch, 30)` standardised features to `(batch,)` logits."""
    return nn.Sequential(nn.Linear(30, 1), nn.Flatten(start_dim=0))


def train_data(client_id: str) -> TensorDataset:
    """Return a client's share of the 455 training patients.

    Raises:
        WorkloadError: If FAIRWIND_PARTITION does not name the client.
    """
    return skewed_share("breast_cancer", train_examples(), client_id)


def train_examples() -> TensorDataset:
    """Return all 455 training patients, the same at every call."""
    return _split()[0]


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
    table = read_table("breast_cancer.csv", header_lines=1)
    train, test = hold_out(table[:, :-1], table[:, -1].long())
    mean, deviation = train.tensors[0].mean(dim=0), train.tensors[0].std(dim=0)
    return _standardised(train, mean, deviation), _standardised(test, mean, deviation)


def _standardised(data: TensorDataset, mean: Tensor, deviation: Tensor) -> TensorDataset:
    measures, labels = data.tensors
    return TensorDataset(((measures - mean) / deviation).float(), labels.float())
