"""A partition: how a shipped workload's examples are split among clients."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from common import settings
from common.errors import WorkloadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ALPHA = 0.5
"""Concentration of the Dirichlet distribution: the usual choice for strong label skew."""

_SMALLEST = 10
"""Examples the smallest client gets."""


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


def client_rows(workload: str, labels: tuple[int, ...], client_id: str) -> NDArray[np.int64]:
    """Return which examples belong to a client among those of FAIRWIND_PARTITION.

    Args:
        workload: The workload's name, for the error.
        labels: The class of every example, `(num_examples,)`.
        client_id: One of the ids in FAIRWIND_PARTITION, whose order matters.

    Returns:
        Row numbers, ascending.

    Raises:
        WorkloadError: If the client has no share, or there are more clients than the data feeds.
    """
    clients = settings.load().partition
    if client_id not in clients:
        msg = (
            f"The client {client_id!r} has no share of the workload {workload}, so it cannot "
            f"train. List all client ids in FAIRWIND_PARTITION, the same way at every site; "
            f"it now holds: {', '.join(clients) or '-'}."
        )
        raise WorkloadError(msg)
    if len(clients) * _SMALLEST > len(labels):
        msg = (
            f"FAIRWIND_PARTITION names {len(clients)} clients, too many for the {len(labels)} "
            f"examples of the workload {workload}, so it was not split. "
            f"Name at most {len(labels) // _SMALLEST}."
        )
        raise WorkloadError(msg)
    return dirichlet_split(labels, len(clients))[clients.index(client_id)]


@cache
def dirichlet_split(
    labels: tuple[int, ...], num_clients: int, *, seed: int = 0
) -> tuple[NDArray[np.int64], ...]:
    """Split examples among clients so that their shares of every label differ.

    For each label, the shares of the clients are drawn from Dir(0.5); then the largest clients
    give random examples to those with fewer than ten.

    Hsu, Qi and Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated
    Visual Classification", 2019, https://arxiv.org/abs/1909.06335; split by label as in Yurochkin
    et al., "Bayesian Nonparametric Federated Learning of Neural Networks", ICML 2019,
    https://arxiv.org/abs/1905.12022.

    Args:
        labels: The class of every example, `(num_examples,)`.
        num_clients: Among how many; at most a tenth of the examples.
        seed: The same seed gives the same split.

    Returns:
        For every client its row numbers, ascending; together they are all rows, each once.
    """
    import numpy as np  # noqa: PLC0415 - only a site that trains this workload loads it

    generator = np.random.default_rng(seed)
    classes = np.asarray(labels)
    owner = np.empty(len(classes), dtype=np.int64)
    for label in np.unique(classes):
        rows = generator.permutation(np.flatnonzero(classes == label))
        shares = generator.dirichlet(np.full(num_clients, _ALPHA))
        ends = np.round(np.cumsum(shares) * len(rows))
        owner[rows] = np.searchsorted(ends, np.arange(len(rows)), side="right").clip(
            max=num_clients - 1
        )
    sizes = np.bincount(owner, minlength=num_clients)
    while sizes.min() < _SMALLEST:
        poorest, richest = sizes.argmin(), sizes.argmax()
        owner[generator.choice(np.flatnonzero(owner == richest))] = poorest
        sizes[poorest] += 1
        sizes[richest] -= 1
    return tuple(np.flatnonzero(owner == client) for client in range(num_clients))
