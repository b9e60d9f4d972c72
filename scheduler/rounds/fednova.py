"""FedNova: updates normalised by the local steps behind them. Pure.

Wang, Liu, Liang, Joshi and Poor, "Tackling the Objective Inconsistency Problem in Heterogeneous
Federated Optimization", NeurIPS 2020, https://arxiv.org/abs/2007.07481, equations 8 and 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

_SCALE = 2**16
"""The weight of an example behind one step; weights are integers, so that sums are exact."""


@lru_cache(maxsize=1024)
def effective_steps(num_steps: int, *, learning_rate: float, momentum: float, mu: float) -> float:
    """Return a: how far a constant gradient moves a model in so many steps, in learning rates.

    It is the number of steps K of plain SGD, (K - b (1 - b**K) / (1 - b)) / (1 - b) with momentum
    b, and (1 - (1 - eta mu)**K) / (eta mu) with FedProx. A step is linear in what was moved so far
    and in the velocity, so K of them are a power of a matrix, which covers both together.

    Args:
        num_steps: K, at least 1.
        learning_rate: eta, of the round.
        momentum: b, at least 0, below 1.
        mu: Of FedProx, at least 0.

    >>> effective_steps(10, learning_rate=0.1, momentum=0.0, mu=0.0)
    10.0
    >>> effective_steps(2, learning_rate=0.1, momentum=0.5, mu=0.0)
    2.5
    >>> effective_steps(2, learning_rate=0.1, momentum=0.0, mu=1.0)
    1.9
    """
    pull = learning_rate * mu
    step = np.array(
        [[1.0 - pull, momentum, 1.0], [-pull, momentum, 1.0], [0.0, 0.0, 1.0]]
    )  # of (moved, velocity, 1)
    return float(np.linalg.matrix_power(step, num_steps)[0, 2])


def normalised_weights(weights: Sequence[int], steps: Sequence[float]) -> tuple[list[int], int]:
    """Return by what each delta is multiplied, and by what their sum is divided.

    x += tau sum_i p_i delta_i / a_i, with p_i = w_i / W and tau = sum_i p_i a_i, so that delta_i
    counts w_i / a_i of W**2 / (sum_i w_i a_i).

    Args:
        weights: w of each update, positive.
        steps: a of each, positive.

    >>> normalised_weights([1, 1], [1.0, 3.0])  # 1 and 1/3, of 4 / 4
    ([65536, 21845], 65536)
    """
    total = sum(weights)
    reach = sum(w * a for w, a in zip(weights, steps, strict=True))
    scaled = [max(1, round(_SCALE * w / a)) for w, a in zip(weights, steps, strict=True)]
    return scaled, max(1, round(_SCALE * total * total / reach))
