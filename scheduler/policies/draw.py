"""A weighted draw without replacement.

By exponential keys: Efraimidis and Spirakis, "Weighted random sampling with a reservoir",
Information Processing Letters 97(5), 2006. It is distributed as drawing one after the other in
proportion to the weights of those left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from heapq import nlargest
from random import Random

_LEAST = 1e-9
"""Stands for a weight of zero: drawn only when no other is left."""


def draw_weighted(weights: Mapping[str, float], places: int, rng: Random) -> list[str]:
    """Return as many of the keys as there are places, or all; weights are not negative.

    The order of the mapping decides which key gets which random number: give it in a fixed one.
    """
    keys = {c: math.log(1.0 - rng.random()) / max(_LEAST, w) for c, w in weights.items()}
    return nlargest(places, keys, key=keys.__getitem__)
