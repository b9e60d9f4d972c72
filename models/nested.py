"""Nested values: what batches and outputs are made of, and how to reach the tensors in them.

A value is a tensor; a mapping, list, tuple, named tuple or dataclass of values; or anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

Nested = Any
"""A nested value."""

_Rebuild = Callable[[Sequence[Nested]], Nested]


def opened(value: Nested) -> tuple[Sequence[Nested], _Rebuild] | None:
    """Return the parts of a value and what makes such a value of others; `None` if it has none.

    >>> parts, rebuild = opened({"ids": 1, "mask": 2})
    >>> rebuild([10 * part for part in parts])
    {'ids': 10, 'mask': 20}
    """
    if isinstance(value, Mapping):
        names = list(value)
        return list(value.values()), lambda new: _mapping(value, dict(zip(names, new, strict=True)))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return value, lambda new: type(value)(*new)
    if type(value) in (list, tuple):
        return value, type(value)
    if is_dataclass(value) and not isinstance(value, type):
        attributes = [each.name for each in fields(value)]
        parts = [getattr(value, name) for name in attributes]
        return parts, lambda new: _dataclass(value, dict(zip(attributes, new, strict=True)))
    return None


def joined(parts: Sequence[Nested], sizes: Sequence[int]) -> Nested:
    """Return the outputs of a whole data set from those of its batches.

    Tensors are joined along the batch; those without dimensions, such as a loss, become their mean,
    weighted by the batches' sizes. What holds no tensors becomes `None`.

    Args:
        parts: Nested values of the same structure, at least one; tensors `(batch, ...)`.
        sizes: How many examples each is of.

    Raises:
        RuntimeError, ValueError: If tensors differ in more than the batch, or structures differ.

    >>> joined([{"loss": torch.tensor(1.0)}, {"loss": torch.tensor(4.0)}], [2, 1])
    {'loss': tensor(2.)}
    """
    first = parts[0]
    if isinstance(first, Tensor):
        if first.dim():
            return torch.cat(list(parts))
        total = sum(part * size for part, size in zip(parts, sizes, strict=True))
        return total / sum(sizes)
    found = opened(first)
    if found is None:
        return None
    columns = zip(*(_parts(part) for part in parts), strict=True)
    return found[1]([joined(column, sizes) for column in columns])


def num_rows(batch: Nested) -> int | None:
    """Return how many examples a batch has; `None` if its structure does not say.

    The tensors of a batch have its examples as their first dimension. Where they disagree, as
    images and boxes of a detector do, its parts are lists with one item for each example.

    >>> num_rows({"ids": torch.zeros(3, 7), "labels": torch.zeros(3)})
    3
    >>> num_rows(([torch.zeros(2), torch.zeros(5)], ["a", "b"]))
    2
    """
    lengths = {len(tensor) for tensor in _tensors(batch) if tensor.dim()}
    if len(lengths) != 1:
        lengths = {len(part) for part in _parts(batch) if isinstance(part, tuple | list)}
    return lengths.pop() if len(lengths) == 1 else None


def _tensors(value: Nested) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    for part in _parts(value):
        yield from _tensors(part)


def _parts(value: Nested) -> Sequence[Nested]:
    found = opened(value)
    return [] if found is None else found[0]


def _mapping(given: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """Return a mapping of the same type with other values, a plain one where it takes none."""
    if type(given) is dict:
        return items
    try:
        clone: Any = copy(given)  # keeps what a constructor would not know, as of a defaultdict
        for key, value in items.items():
            clone[key] = value
    except TypeError:
        return items
    return clone


def _dataclass(given: Any, items: dict[str, Any]) -> Any:
    clone = copy(given)
    for name, value in items.items():  # a frozen one refuses to be set in any other way
        object.__setattr__(clone, name, value)
    return clone
