"""Nearest-neighbour mixing, then the trimmed mean: the rule for runs that expect liars.

Allouah, Farhadkhani, Guerraoui, Gupta, Pinot and Stephan, "Fixing by Mixing: A Recipe for Optimal
Byzantine ML under Heterogeneity", AISTATS 2023, https://arxiv.org/abs/2302.01772. Each update is
replaced by the mean of the n - f that are nearest to it, itself among them. That brings honest
updates together, however unlike their data, and the trimmed mean leaves out what is still far.

Mixing is exact: values become integers small enough that a float32 holds their sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.robust.gram import CHUNK, Gram, largest_of, shifts, squared_distances
from models.robust.rows import Values
from models.robust.sorting import exchange, parting

_MANTISSA = 24
"""Bits of a whole number that a float32 holds exactly."""


def neighbourhoods(products: Gram, f: int) -> NDArray[np.float32]:
    """Return for each update, in its row, a 1 for each of the n - f that are nearest to it."""
    order = np.argsort(squared_distances(products), axis=1, kind="stable")
    near = np.zeros(products.shape, dtype=np.float32)
    np.put_along_axis(near, order[:, : len(products) - f], 1.0, axis=1)
    return near


def mixed_trimmed_mean(
    values: Values, near: NDArray[np.float32], f: int, *, name: str, norm_bound: float
) -> NDArray[np.float64]:
    """Return the mean of each column's mixed values without the f least and f greatest.

    Args:
        values: A piece of the updates, `(rows, count)`.
        near: Their neighbourhoods.
        f: How many are left out at either end.
        name: The tensor's, for the error.
        norm_bound: What no value of an update that was admitted is above.

    Raises:
        UpdateError: If a value is above the bound, or NaN.
    """
    rows = len(values)
    bits = _MANTISSA - (rows - f).bit_length()
    largest = largest_of(values, name, norm_bound).max(keepdims=True)
    shift = int(shifts(largest, bits)[0])
    factor = values.dtype.type(2.0**shift)
    divisor = float((rows - 2 * f) * (rows - f))
    means = np.empty(values.shape[1])
    for start in range(0, values.shape[1], CHUNK):
        whole = np.rint(values[:, start : start + CHUNK] * factor).astype(np.float32, copy=False)
        kept = exchange(near @ whole, parting(rows, f))[f : rows - f]
        total = np.zeros(whole.shape[1])
        for row in kept:
            total += row
        means[start : start + CHUNK] = total / divisor
    return np.ldexp(means, -shift)
