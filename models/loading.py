"""Loading: the batches of a data set, by the workload's own functions where it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, default_collate

from common.errors import WorkloadError, describe
from models.batch import Batch, batch_sizes
from models.nested import num_rows
from models.workload import Data, Workload, name_of

Collate = Callable[[list[Any]], Batch]
"""A workload's `collate`: makes a batch of items."""


def shuffled(
    data: Data, sizes: list[int], generator: torch.Generator, *, collate: Collate | None = None
) -> Iterator[Batch]:
    """Yield examples in random order, in batches of these sizes; any left over are left out.

    An iterable data set comes in its own order, and draws no number.
    """
    if isinstance(data, IterableDataset):
        return _streamed(data, sizes, collate)
    return _batches(data, torch.randperm(_count(data), generator=generator), sizes, collate)


def in_order(data: Data, batch_size: int, *, collate: Collate | None = None) -> Iterator[Batch]:
    """Yield all examples in their own order, in batches of `batch_sizes`."""
    count = _count(data)
    sizes = batch_sizes(count, batch_size)
    if isinstance(data, IterableDataset):
        return _streamed(data, sizes, collate)
    return _batches(data, torch.arange(count), sizes, collate)


def at_rows(data: Data, rows: Tensor, *, collate: Collate | None = None) -> Batch:
    """Return the batch of the examples at some rows, `(batch,)`, at least one."""
    return next(_batches(data, rows, [len(rows)], collate))


def counted(workload: Workload, batches: Iterable[Batch]) -> Iterator[tuple[int, Batch]]:
    """Yield the batches of a workload's own loader, each with the number of its examples.

    Raises:
        WorkloadError: If the loader keeps its processes, or a batch has no number of examples.
    """
    if getattr(batches, "persistent_workers", False):
        msg = (
            f"The loader of the workload {name_of(workload)} keeps its processes "
            "(persistent_workers=True), whose random numbers would go on from training to "
            "training, so nothing was trained. Leave that out."
        )
        raise WorkloadError(msg)
    for batch in batches:
        size = num_rows(batch)
        if not size:
            msg = (
                f"The loader of the workload {name_of(workload)} gave a batch whose number of "
                f"examples cannot be seen (a {type(batch).__name__}), so nothing was trained. Let "
                "it give tensors with the examples as their first dimension."
            )
            raise WorkloadError(msg)
        yield size, batch


def _count(data: Data) -> int:
    return len(cast("Sized", data))


def _batches(
    data: Data, order: Tensor, sizes: list[int], collate: Collate | None
) -> Iterator[Batch]:
    """Yield batches whose tensors are their own: a model may change its input in place."""
    chosen = torch.split(order[: sum(sizes)], sizes)
    if type(data) is TensorDataset and collate is None:  # a subclass may do more than index
        # indexing whole tensors spares a Python call for every example
        for rows in chosen:
            yield tuple(tensor[rows] for tensor in data.tensors)
    else:
        rows_of_each = [rows.tolist() for rows in chosen]
        yield from DataLoader(data, batch_sampler=rows_of_each, collate_fn=collate or _stacked)


def _streamed(
    data: IterableDataset[Any], sizes: list[int], collate: Collate | None
) -> Iterator[Batch]:
    """Yield what a stream gives, in its order; what goes beyond the sizes is left out."""
    items, given = iter(data), 0
    for size in sizes:
        chunk = list(islice(items, size))
        given += len(chunk)
        if len(chunk) < size:
            msg = (
                f"The iterable data set {type(data).__name__} says that it has {sum(sizes)} "
                f"examples and ended after {given}, so its batches cannot be planned. Let __len__ "
                "return as many as each pass gives."
            )
            raise WorkloadError(msg)
        yield (collate or _stacked)(chunk)


def _stacked(items: list[Any]) -> Batch:
    """Return items as torch makes a batch of them, or say what to write where it cannot."""
    try:
        return default_collate(items)
    except (RuntimeError, TypeError, KeyError) as error:
        msg = (
            f"Items of the workload's data cannot be stacked to a batch ({describe(error)}), so "
            "nothing can be learned from them. Define collate(items), which returns a batch: for "
            "items of different lengths one that pads them."
        )
        raise WorkloadError(msg) from error
