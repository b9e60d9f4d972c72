"""Data of a scenario: the workload's examples, split among the clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from models.workload import Data, Workload, blamed
from models.workloads.partition import (
    IntArray,
    correlated_split,
    dirichlet_split,
    iid_split,
    label_split,
    matching_split,
    resampled_split,
)
from models.workloads.share import rows_of
from simulation.scenario.scenario import SplitPart


def split_data(
    workload: Workload, part: SplitPart, clients: Sequence[str], *, clean: Sequence[bool], seed: int
) -> Mapping[str, Data]:
    """Return what each client trains on.

    Args:
        workload: Whose examples.
        part: How they are split.
        clients: Their ids.
        clean: Whether a client's grid is among the cleaner ones, `(num_clients,)`.
        seed: Of the split.

    Raises:
        WorkloadError: If the workload cannot be split like that.
    """
    with blamed(workload, "simulation"):
        if part.kind == "own":
            return {client: workload.train_data(client) for client in clients}
        examples: TensorDataset = _asked(workload, "train_examples", part)
    if part.kind == "natural":
        with blamed(workload, "simulation"):
            parts = _asked(workload, "natural_split", part)
        rows = _natural(parts, clients)
    else:
        rows = _rows(part, examples.tensors[-1].numpy(), clean, seed)
    return {client: rows_of(examples, own) for client, own in zip(clients, rows, strict=True)}


def site_tests(
    workload: Workload, part: SplitPart, clients: Sequence[str]
) -> Mapping[str, TensorDataset]:
    """Return each client's own test data; nothing where the split's places have none."""
    split = getattr(workload, "natural_test_split", None)
    tests = workload.test_data()
    if part.kind != "natural" or split is None or not isinstance(tests, TensorDataset):
        return {}
    return {client: rows_of(tests, rows) for client, rows in zip(clients, split(), strict=False)}


def own_tests(
    workload: Workload, data: Mapping[str, Data], sites: Mapping[str, Data]
) -> Mapping[str, Data] | None:
    """Return on what clients evaluate whose examples the scenario splits: shares of test data.

    Args:
        workload: Whose test data.
        data: What each client trains on.
        sites: The test data of clients that have their own; those take the place of a share.

    Returns:
        A share of the test data with about the labels of each client's examples; `None` where they
        have no labels.
    """
    tests = workload.test_data()
    if sites:
        return sites
    parts = [each for each in data.values() if isinstance(each, TensorDataset)]
    if not isinstance(tests, TensorDataset) or len(parts) < len(data):
        return None
    labels = [part.tensors[-1] for part in parts]
    if any(each.dim() != 1 for each in (*labels, tests.tensors[-1])):
        return None
    split = matching_split([each.numpy() for each in labels], tests.tensors[-1].numpy())
    return {client: rows_of(tests, rows) for client, rows in zip(data, split, strict=True)}


def label_shares(data: Mapping[str, Data], labels: Sequence[float]) -> dict[str, tuple[float, ...]]:
    """Return the share of every label in each client's examples, `(num_labels,)` each."""
    shares = {}
    for client, examples in data.items():
        if isinstance(examples, TensorDataset):
            own = examples.tensors[-1].numpy()
            counts = np.array([(own == label).sum() for label in labels])
            shares[client] = tuple((counts / max(1, counts.sum())).tolist())
    return shares


def _asked(workload: Workload, function: str, part: SplitPart) -> Any:
    found = getattr(workload, function, None)
    if found is None:
        name = getattr(workload, "__name__", type(workload).__name__)
        msg = (
            f"The workload {name} has no {function}(), so a simulation cannot split its examples "
            f'by {part.kind}. Define it, or set kind = "own" under [workload.split].'
        )
        raise WorkloadError(msg)
    return found()


def _natural(parts: Sequence[IntArray], clients: Sequence[str]) -> Sequence[IntArray]:
    if len(clients) > len(parts):
        msg = (
            f"The workload's examples come from {len(parts)} places, too few for {len(clients)} "
            f"clients, so nothing was simulated. Have at most {len(parts)} clients."
        )
        raise WorkloadError(msg)
    return parts[: len(clients)]


def _rows(
    part: SplitPart, labels: IntArray, clean: Sequence[bool], seed: int
) -> Sequence[IntArray]:
    count = len(clean)
    if part.kind == "iid":
        return iid_split(labels, count, seed=seed)
    if part.kind == "label":
        return label_split(labels, count, shards_per_client=part.labels, seed=seed)
    if part.kind == "correlated":
        return correlated_split(labels, clean, strength=part.strength, seed=seed)
    if part.kind == "resampled":
        known = len(np.unique(labels))
        drawn = np.random.default_rng([seed, 1]).dirichlet(np.full(known, part.alpha), size=count)
        return resampled_split(labels, drawn, size=part.size, seed=seed)
    return dirichlet_split(labels, count, alpha=part.alpha, seed=seed)
