"""The geometric median: the point whose distances to all updates have the least sum.

Pillutla, Kakade and Harchaoui, "Robust Aggregation for Federated Learning", IEEE Transactions on
Signal Processing 70, 2022, https://arxiv.org/abs/1912.13445, with the smoothed Weiszfeld algorithm.
"""

from __future__ import annotations

import math

from models.robust.gram import Gram, distances_to

ITERATIONS = 20
"""The paper needs three to five; in Gram space more cost nothing."""

SMOOTHING = 1e-6
"""Distances below this share of the median distance count as this long."""


def geometric_median(
    products: Gram, *, nu: float | None = None, iterations: int = ITERATIONS
) -> list[float]:
    """Return the weight of each update in their geometric median; they sum to 1.

    Args:
        products: Of the updates.
        nu: The shortest distance that counts, in the updates' own unit; `None` for `SMOOTHING`.
        iterations: Of Weiszfeld's algorithm, from the mean on.
    """
    count = len(products)
    weights = [1.0 / count] * count
    for _ in range(iterations):
        distances = distances_to(products, weights)
        least = sorted(distances)[count // 2] * SMOOTHING if nu is None else nu
        if least == 0.0:  # half of the updates are one and the same: that is the median
            weights = [float(distance == 0.0) for distance in distances]
        else:
            weights = [1.0 / max(least, distance) for distance in distances]
        total = math.fsum(weights)
        weights = [weight / total for weight in weights]
    return weights
