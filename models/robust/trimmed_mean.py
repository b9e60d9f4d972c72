"""The trimmed mean and the median of each coordinate.

Yin, Chen, Ramchandran and Bartlett, "Byzantine-Robust Distributed Learning: Towards Optimal
Statistical Rates", ICML 2018, https://arxiv.org/abs/1803.01498.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.robust.rows import Values
from models.robust.sorting import exchange, network


def trimmed_mean(values: Values, f: int) -> tuple[NDArray[np.float64], Values, Values]:
    """Return the mean of each column without its f least and f greatest values.

    Values are added in their order, so that the bits do not depend on that of the rows.

    Args:
        values: `(rows, count)`, of more than 2 f rows; overwritten.
        f: How many are left out at either end.

    Returns:
        The means, and the least and greatest value of each column that counts.
    """
    rows = exchange(values, network(len(values)))[f : len(values) - f]
    total = np.zeros(values.shape[1])
    for row in rows:
        total += row
    return total / len(rows), rows[0], rows[-1]


def median_trim(count: int) -> int:
    """Return how many of so many values are left out at either end for their median.

    >>> median_trim(5), median_trim(6)  # of an even number, the mean of the two in the middle
    (2, 2)
    """
    return (count - 1) // 2
