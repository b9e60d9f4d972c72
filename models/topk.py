"""The largest values of a tensor, and where they stand."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def num_kept(size: int, share: float) -> int:
    """Return how many of `size` values are kept; at least one."""
    return max(1, math.ceil(size * share))


def largest(values: Tensor, count: int) -> Tensor:
    """Return the places of the values of largest magnitude, increasing; of equals, the first.

    Args:
        values: Floating, `(size,)`; one that is no number is the largest.
        count: How many, from 1 to `size`.

    Returns:
        int64 `(count,)`.
    """
    sizes = values.detach().abs().to(torch.float32)
    sizes = sizes.masked_fill_(sizes.isnan(), math.inf)
    # Only the value is taken from a selection: which of equal ones it returns is open.
    least = _kth_largest(sizes, count)
    above, equal = sizes > least, (sizes == least).nonzero().view(-1)
    above[equal[: count - int(above.sum())]] = True
    return above.nonzero().view(-1)


def _kth_largest(sizes: Tensor, count: int) -> Tensor:
    """Return the `count`-th largest, looked for among those that a sample shows to be large."""
    sample = sizes[::_STRIDE]
    rank = min(len(sample), count * 3 // (2 * _STRIDE) + _SPARE)
    large = sizes[sizes >= _select(sample, rank)]
    return _select(large if len(large) >= count else sizes, count)


def _select(sizes: Tensor, count: int) -> Tensor:
    return torch.kthvalue(sizes, len(sizes) - count + 1).values


_STRIDE = 64
"""One value in so many is in the sample."""

_SPARE = 16
"""The bound that a sample gives is so many values looser, and half as many again as are kept."""
