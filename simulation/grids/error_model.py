"""Errors like those of real forecasts: they grow with the lead, cling together, and are revised.

The relative error of the forecast of hour t, issued k hours before it:

    e(k, t) = sum over m = 1..k of sqrt(s(m)^2 - s(m-1)^2) x_m(t)

x_m(t) is normal with mean 0 and variance 1, independent for different m, and over t an AR(1)
process with phi = 0.91 an hour. So e(k, t) has the standard deviation s(k); the errors of
neighbouring hours in one issue have a correlation of phi s(k) / s(k+1); and what is issued an hour
later is the same forecast but for one term, x_k, which nothing that is left of the error could
foretell. This is the martingale model of forecast evolution, hour by hour: D. Heath and P. Jackson,
"Modeling the Evolution of Demand Forecasts with Application to Safety Stock Analysis in
Production/Distribution Systems", IIE Transactions 26(3), 1994.

s(k) and phi are those of CarbonCast's published forecasts of 13 grids, July to December 2021.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from simulation.grids.truth import Floats

LEADS = 96
"""Hours ahead that are modelled."""

PHI = 0.91

_KNOWN_LEADS = (0, 1, 24, 48, 95)
_KNOWN_SIGMAS = (0.0, 0.05, 0.09, 0.12, 0.14)

_DAY = 24
_MEMORY_DAYS = 4
"""After so long nothing is left of a draw: 0.91**96 is 0.0001."""


def sigma(leads: Floats) -> Floats:
    """Return the relative standard deviation of a forecast at these leads in hours."""
    found: Floats = np.interp(leads, _KNOWN_LEADS, _KNOWN_SIGMAS)
    return found


class ErrorModel:
    """Relative errors of the forecasts of some zones; a pure function of seed, zone and hours.

    Args:
        zones: The rows.
        seed: Draws the errors; a zone's do not depend on which others there are.
    """

    def __init__(self, zones: Sequence[str], *, seed: int) -> None:
        self._zones = zones
        self._seed = seed
        self._steps = np.sqrt(np.diff(sigma(np.arange(LEADS + 1.0)) ** 2))
        ages = np.arange(_DAY)[:, None] + _MEMORY_DAYS * _DAY - np.arange((_MEMORY_DAYS + 1) * _DAY)
        fading = np.where((ages >= 0) & (ages <= _MEMORY_DAYS * _DAY), PHI ** np.abs(ages), 0.0)
        self._fading = fading / np.linalg.norm(fading, axis=1, keepdims=True)
        self._draws: dict[int, Floats] = {}
        self._days: dict[int, Floats] = {}

    def errors(self, issue_hour: int) -> Floats:
        """Return the errors of leads 1 to 96, `(num_zones, LEADS)`, relative to the truth."""
        hours = np.arange(issue_hour + 1, issue_hour + 1 + LEADS)
        first, last = int(hours[0]) // _DAY, int(hours[-1]) // _DAY
        days = np.concatenate([self._day(day) for day in range(first, last + 1)], axis=1)
        self._forget(first)
        found: Floats = days[:, hours - first * _DAY, np.arange(LEADS)]
        return found

    def _day(self, day: int) -> Floats:
        """Return the error of each hour of a day by its lead, `(num_zones, 24, LEADS)`."""
        if day not in self._days:
            past = range(day - _MEMORY_DAYS, day + 1)
            drawn = np.concatenate([self._drawn(n) for n in past], axis=1)
            self._days[day] = ((self._fading @ drawn) * self._steps).cumsum(axis=2)
        return self._days[day]

    def _drawn(self, day: int) -> Floats:
        """Return the draws of a day's hours, `(num_zones, 24, LEADS)`."""
        if day not in self._draws:
            self._draws[day] = np.stack([self._zone_draws(zone, day) for zone in self._zones])
        return self._draws[day]

    def _zone_draws(self, zone: str, day: int) -> Floats:
        generator = np.random.default_rng([self._seed, zlib.crc32(zone.encode()), day])
        return generator.standard_normal((_DAY, LEADS))

    def _forget(self, day: int) -> None:
        """Let go of days that no later forecast is about."""
        for kept, oldest in ((self._days, day), (self._draws, day - _MEMORY_DAYS)):
            for past in [n for n in kept if n < oldest]:
                del kept[past]
