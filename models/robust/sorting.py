"""Sorting the values of many columns at once, by a network of comparisons of whole rows.

Batcher, "Sorting networks and their applications", AFIPS 1968. A row at a time is several times
faster than a column at a time: a comparison is one minimum and one maximum of two rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from models.robust.rows import Values


@lru_cache(maxsize=64)
def network(count: int) -> tuple[tuple[int, int], ...]:
    """Return the comparisons that sort so many rows: Batcher's merge exchange.

    >>> network(3)
    ((0, 2), (0, 1), (1, 2))
    """
    comparisons = []
    top = 1 << max(count - 1, 1).bit_length() - 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            comparisons += [(row, row + d) for row in range(count - d) if row & p == r]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return tuple(comparisons)


@lru_cache(maxsize=64)
def parting(count: int, f: int) -> tuple[tuple[int, int], ...]:
    """Return the comparisons that part the f least and the f greatest rows from those between.

    Comparisons that only order rows of one part among themselves are left out.
    """
    part = [(row >= f) + (row >= count - f) for row in range(count)]
    used: set[int] = set()
    kept = []
    for first, second in reversed(network(count)):
        if part[first] != part[second] or first in used or second in used:
            kept.append((first, second))
            used |= {first, second}
    return tuple(reversed(kept))


def exchange(values: Values, comparisons: Sequence[tuple[int, int]]) -> list[Values]:
    """Return the rows of `(rows, count)` values after comparisons; the values are overwritten."""
    rows = list(values)
    spare = np.empty_like(values[0])
    for first, second in comparisons:
        low, high = rows[first], rows[second]
        np.minimum(low, high, out=spare)
        np.maximum(low, high, out=high)
        rows[first], spare = spare, low
    return rows
