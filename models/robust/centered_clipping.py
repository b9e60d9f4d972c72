"""Centered clipping: each update pulls the centre by at most a radius.

Karimireddy, He and Jaggi, "Learning from History for Byzantine Robust Optimization", ICML 2021,
https://arxiv.org/abs/2012.10333. The centre begins at the base model, which no site can move, and
not at the mean. The radius is the median norm of the updates, which less than half of them cannot
set as they like.
"""

from __future__ import annotations

import math
import statistics

import numpy as np

from models.robust.gram import Gram, distances_to

ITERATIONS = 3


def centered_clipping(
    products: Gram, *, tau: float | None = None, iterations: int = ITERATIONS
) -> list[float]:
    """Return the weight of each update in the centre; they sum to 1 at most.

    v <- v + 1/n sum_i (x_i - v) min(1, tau / ||x_i - v||)

    Args:
        products: Of the updates x_i.
        tau: The radius; `None` for the median norm.
        iterations: How often the centre v moves.
    """
    count = len(products)
    radius = statistics.median(np.sqrt(np.diag(products)).tolist()) if tau is None else tau
    centre = [0.0] * count
    for _ in range(iterations):
        pulls = [
            1.0 if distance <= radius else radius / distance
            for distance in distances_to(products, centre)
        ]
        stays = 1.0 - math.fsum(pulls) / count
        centre = [own * stays + pull / count for own, pull in zip(centre, pulls, strict=True)]
    return centre
