"""Krum and Multi-Krum: the updates that are nearest to their neighbours.

Blanchard, El Mhamdi, Guerraoui and Stainer, "Machine Learning with Adversaries: Byzantine Tolerant
Gradient Descent", NeurIPS 2017, https://papers.nips.cc/paper/6617. The score of an update is the
sum of its squared distances to the n - f - 1 others that are nearest to it. The paper counts one
less; ByzFL (https://byzfl.epfl.ch) counts as here.
"""

from __future__ import annotations

import math

import numpy as np

from models.robust.gram import Gram, squared_distances


def krum(products: Gram, f: int) -> list[float]:
    """Return weight 1 for the update of the least score, and 0 for all others."""
    scores = _scores(products, f)
    best = scores.index(min(scores))
    return [float(row == best) for row in range(len(scores))]


def multi_krum(products: Gram, f: int) -> list[float]:
    """Return equal weights for the n - f updates of the least scores, and 0 for all others."""
    scores = _scores(products, f)
    count = len(scores) - f
    best = set(sorted(range(len(scores)), key=lambda row: (scores[row], row))[:count])
    return [1.0 / count if row in best else 0.0 for row in range(len(scores))]


def _scores(products: Gram, f: int) -> list[float]:
    nearest = np.sort(squared_distances(products), axis=1)[:, 1 : len(products) - f]
    return [math.fsum(row) for row in nearest]
