"""The Gram matrix of updates: the same bits for any order of them, on any machine.

The order in which a library adds products differs between machines, and so do sums of floating
values. Sums of integers do not, while all of them stay below 2**53. So each update is rounded,
piece by piece, to integers of at most 18 bits and a power of two, and the integers are multiplied
as float64. A piece has at most 2**16 values, so that no sum is above 2**52. Each update has its
own power of two: a huge one does not make the others coarse. What is rounded away of a value is
at most 2**-19 of the largest one of its piece.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.errors import UpdateError
from models.robust.rows import Rows, Values

Gram = NDArray[np.float64]
"""`(rows, rows)`: the inner product of each two updates, over all their values."""

CHUNK = 1 << 12
"""Values of each update that are worked on at a time: those of many updates stay in cache."""

_BITS = 18
_MOST_SHIFT = 100
"""Values below 2**-82 are rounded to 0, so that whether denormal ones are flushed is the same."""


def gram(updates: Rows, *, norm_bound: float) -> Gram:
    """Return the Gram matrix of updates.

    Args:
        updates: Which.
        norm_bound: What no value of an update that was admitted is above.

    Raises:
        UpdateError: If a value is above the bound, or NaN: the bytes have changed since.
    """
    total = np.zeros((updates.count, updates.count))
    rows = range(updates.count)
    for name, spec in updates.signature.items():
        for piece in spec.pieces():
            total += _piece(updates.read(name, piece, rows), name, norm_bound)
    return total


def squared_distances(products: Gram) -> Gram:
    """Return the squared distance of each two updates, never below 0."""
    squares = np.diag(products)
    apart: Gram = np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0.0)
    np.fill_diagonal(apart, 0.0)
    return apart


def distances_to(products: Gram, centre: Sequence[float]) -> list[float]:
    """Return how far each update is from a weighted sum of them.

    Args:
        products: Of the updates.
        centre: The weight of each in the sum.
    """
    weights = np.array(centre)
    with_centre = [math.fsum(row) for row in products * weights]
    own = math.fsum(weights * with_centre)
    squares = [products[row, row] - 2 * inner + own for row, inner in enumerate(with_centre)]
    return [math.sqrt(max(square, 0.0)) for square in squares]


def shifts(largest: NDArray[np.floating], bits: int) -> NDArray[np.int64]:
    """Return by which powers of two values become integers of at most so many bits.

    Args:
        largest: The largest absolute value of each row.
        bits: How many.
    """
    found: NDArray[np.int64] = np.minimum(bits - np.frexp(largest)[1].astype(np.int64), _MOST_SHIFT)
    return found


def largest_of(values: Values, name: str, norm_bound: float) -> NDArray[np.floating]:
    """Return the largest absolute value of each row.

    Raises:
        UpdateError: If it is above the bound, or NaN.
    """
    largest: NDArray[np.floating] = np.maximum(values.max(axis=1), -values.min(axis=1))
    if not (largest <= norm_bound).all():  # NaN fails, too
        msg = (
            f"An update holds a value in {name} that is above the run's norm bound, or is no "
            f"number, so no version was made. It was changed after it was admitted: check the "
            f"disk that holds the blobs."
        )
        raise UpdateError(msg)
    return largest


def _piece(values: Values, name: str, norm_bound: float) -> Gram:
    shift = shifts(largest_of(values, name, norm_bound), _BITS)
    factors = np.ldexp(np.ones(len(shift)), shift)[:, None].astype(values.dtype)
    sums = np.zeros((len(values), len(values)))
    for start in range(0, values.shape[1], CHUNK):
        whole = np.rint(values[:, start : start + CHUNK] * factors).astype(np.float64)
        sums += whole @ whole.T
    products: Gram = np.ldexp(sums, -(shift[:, None] + shift[None, :]))
    return products
