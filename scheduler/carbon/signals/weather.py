"""Weather for the typical day: a drawn AR(1) process that every process sees alike.

Nothing is drawn from a generator that has a state. Each hour's innovation is a hash of the zone and
the hour, so any hour of any zone can be computed first, alone or twice, on any machine.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SMALLEST_WEIGHT = 1e-3
"""Innovations that weigh less than this share of the newest one are left out."""

# Constants of splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
# OOPSLA 2014, https://doi.org/10.1145/2660193.2660195
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def weather(zone: str, first_hour: int, count: int, *, std: float, phi: float) -> Floats:
    """Return an hourly stationary AR(1) process, x_t = phi * x_(t-1) + e_t, cut off where e fades.

    Args:
        zone: Electricity Maps zone id; each zone has its own weather.
        first_hour: First UTC hour, counted from 1970.
        count: How many hours.
        std: Standard deviation of the process, relative to the zone's mean intensity.
        phi: Coefficient of the process per hour, above 0 and below 1.

    Returns:
        Deviations relative to the zone's mean intensity, shape `(count,)`.
    """
    depth = math.ceil(math.log(_SMALLEST_WEIGHT) / math.log(phi))
    weights = phi ** np.arange(depth)
    weights *= std / np.sqrt(np.sum(weights**2))
    innovations = _standard_normal(zone, first_hour - depth + 1, count + depth - 1)
    return np.convolve(innovations, weights, mode="valid")


def _standard_normal(zone: str, first_hour: int, count: int) -> Floats:
    """Return one standard normal number an hour, by the transform of Box and Muller (1958)."""
    counter = np.arange(2 * first_hour, 2 * (first_hour + count), dtype=np.int64).astype(np.uint64)
    uniform = _uniform(_seed(zone), counter)  # (2 * count,)
    radius = np.sqrt(-2 * np.log(uniform[0::2]))
    normal: Floats = radius * np.cos(2 * np.pi * uniform[1::2])
    return normal


def _seed(zone: str) -> np.uint64:
    digest = hashlib.blake2b(zone.encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _uniform(seed: np.uint64, counter: npt.NDArray[np.uint64]) -> Floats:
    """Return uniform numbers in (0, 1]; zero is left out because its logarithm is needed."""
    z = seed + counter * _GAMMA
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)) + np.uint64(1)).astype(np.float64) * 2.0**-53
