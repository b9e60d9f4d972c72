"""Batches: how many examples each has, and a data set that is as it was loaded."""

from __future__ import annotations

import gc
from copy import deepcopy
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from torch.utils.data import TensorDataset

from models.workload import Data

Batch = Any
"""What a data set's items collate to: inputs, then targets, or a mapping; see `models.forward`."""


def batch_sizes(num_examples: int, batch_size: int, *, drop_last: bool = False) -> list[int]:
    """Return how many examples each batch of an epoch has.

    The last batch has what is left over. A single example left over joins the batch before: layers
    such as BatchNorm cannot train on one example, and a model that squeezes its outputs loses the
    dimension of the batch.

    Args:
        num_examples: At least 1.
        batch_size: At least 1.
        drop_last: Whether what is left over is left out; not where that would be all there is.

    >>> batch_sizes(70, 32), batch_sizes(65, 32), batch_sizes(65, 32, drop_last=True)
    ([32, 32, 6], [32, 33], [32, 32])
    """
    full, rest = divmod(num_examples, batch_size)
    sizes = [batch_size] * full
    if not full:
        return [rest]
    if rest == 0 or drop_last:
        return sizes
    return [*sizes[:-1], batch_size + 1] if rest == 1 else [*sizes, rest]


def as_loaded(data: Data) -> Data:
    """Return a data set to go through once, so that the next use finds the given one as it was.

    Counters, generators and lists are copied with it; tensors, arrays and whatever else defines
    how it is copied are shared, as they hold the examples. A data set that cannot be copied, say
    because it holds an open file, is returned itself.
    """
    if type(data) is TensorDataset:  # nothing of it changes in use
        return data
    try:
        return deepcopy(data, _bulk(data))
    except Exception:  # noqa: BLE001 - whatever a user's classes raise when they are copied
        return data


def _bulk(data: Data) -> dict[int, object]:
    """Return what holds a data set's examples, as `deepcopy` remembers what it has copied."""
    found: dict[int, object] = {}
    seen: set[int] = set()
    waiting: list[object] = [data]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, _CODE):
            continue
        seen.add(id(part))
        if part is not data and hasattr(part, "__deepcopy__"):
            found[id(part)] = part
        else:
            waiting += gc.get_referents(part)
    return found


_CODE = (type, ModuleType, FunctionType, BuiltinFunctionType)
"""What `deepcopy` leaves alone, and through which everything else could be reached."""
