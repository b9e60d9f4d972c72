"""A share: what one client of FAIRWIND_PARTITION holds of a shipped workload's examples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.utils.data import TensorDataset

from common import settings
from common.errors import WorkloadError
from models.workloads.partition import SMALLEST, IntArray, dirichlet_split, matching_split


def skewed_share(workload: str, examples: TensorDataset, client_id: str) -> TensorDataset:
    """Return a client's share of examples split by label, Dir(0.5), the same at every call.

    Args:
        workload: The workload's name, for the error.
        examples: All of them; the last tensor holds the class of every one, `(num_examples,)`.
        client_id: One of the ids in FAIRWIND_PARTITION, whose order matters.

    Raises:
        WorkloadError: If the client has no share, or there are more clients than the data feeds.
    """
    clients = _partition(workload, client_id)
    labels = examples.tensors[-1].numpy()
    if len(clients) * SMALLEST > len(labels):
        most = len(labels) // SMALLEST
        raise WorkloadError(_too_many(workload, clients, f"{len(labels)} examples", most))
    return rows_of(examples, dirichlet_split(labels, len(clients))[clients.index(client_id)])


def skewed_tests(
    workload: str, examples: TensorDataset, tests: TensorDataset, client_id: str
) -> TensorDataset:
    """Return a client's share of the test examples: about the labels of its `skewed_share`.

    Args:
        workload: The workload's name, for the error.
        examples: All training examples, classes last.
        tests: All test examples, classes last.
        client_id: One of the ids in FAIRWIND_PARTITION.

    Raises:
        WorkloadError: As `skewed_share` does.
    """
    clients = _partition(workload, client_id)
    parts = [skewed_share(workload, examples, client).tensors[-1] for client in clients]
    rows = matching_split([part.numpy() for part in parts], tests.tensors[-1].numpy())
    return rows_of(tests, rows[clients.index(client_id)])


def natural_share(
    workload: str, examples: TensorDataset, parts: Sequence[IntArray], client_id: str
) -> TensorDataset:
    """Return a client's share of examples that come from several places: one place a client.

    Args:
        workload: The workload's name, for the error.
        examples: All of them.
        parts: The rows of every place; the first belongs to the first id in FAIRWIND_PARTITION.
        client_id: One of these ids.

    Raises:
        WorkloadError: If the client has no share, or there are more clients than places.
    """
    clients = _partition(workload, client_id)
    if len(clients) > len(parts):
        raise WorkloadError(_too_many(workload, clients, f"{len(parts)} places", len(parts)))
    return rows_of(examples, parts[clients.index(client_id)])


def rows_of(examples: TensorDataset, rows: IntArray) -> TensorDataset:
    """Return some of the examples, copied."""
    chosen = torch.from_numpy(rows)
    return TensorDataset(*(tensor[chosen] for tensor in examples.tensors))


def _partition(workload: str, client_id: str) -> tuple[str, ...]:
    clients = settings.load().partition
    if client_id not in clients:
        msg = (
            f"The client {client_id!r} has no share of the workload {workload}, so it cannot "
            f"train. List all client ids in FAIRWIND_PARTITION, the same way at every site; "
            f"it now holds: {', '.join(clients) or '-'}."
        )
        raise WorkloadError(msg)
    return clients


def _too_many(workload: str, clients: Sequence[str], holds: str, most: int) -> str:
    return (
        f"FAIRWIND_PARTITION names {len(clients)} clients, too many for the {holds} of the "
        f"workload {workload}, so it was not split. Name at most {most}."
    )
