"""Data of clients whose labels are wrong: label flipping."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from models.workload import Data


def with_flipped_labels(data: Mapping[str, Data], liars: Collection[str]) -> Mapping[str, Data]:
    """Return the data, with mirrored labels at some clients: the least for the greatest, and so on.

    Args:
        data: By client; not changed.
        liars: Whose labels are mirrored, within the labels of all clients.

    Raises:
        WorkloadError: If the examples have no labels that can be mirrored.
    """
    if not liars:
        return data
    labels = {client: _labels(client, own) for client, own in data.items()}
    least = min(each.min() for each in labels.values())
    greatest = max(each.max() for each in labels.values())
    flipped: dict[str, Data] = {}
    for client in liars:
        own = data[client]
        assert isinstance(own, TensorDataset)  # noqa: S101 - it has labels
        flipped[client] = TensorDataset(*own.tensors[:-1], least + greatest - labels[client])
    return {**data, **flipped}


def _labels(client: str, own: Data) -> torch.Tensor:
    labels = own.tensors[-1] if isinstance(own, TensorDataset) else None
    if labels is None or labels.dim() != 1 or not bool((labels == labels.round()).all()):
        msg = (
            f"The examples of {client} are no tensors with one whole label each, so labels cannot "
            f"be flipped and nothing was simulated. Choose another attack than label-flip."
        )
        raise WorkloadError(msg)
    return labels
