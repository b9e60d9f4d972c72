"""Errors like those of real forecasts: they grow with the lead, cling together, and are revised.

The relative error of the forecast of hour t, issued at hour H < t, with lead k = t - H:

    e(H, t) = sum over i = H+1..t of sqrt(v(t - i + 1)) w(i, t),   v(k) = s(k)^2 - s(k-1)^2

w(i, t) is what becomes known in hour i about hour t: normal with mean 0 and variance 1, independent
for different i, and over t an AR(1) process with phi = 0.91 an hour. So the standard deviation is
s(k), neighbouring hours err alike, and what is issued an hour later is the same forecast but for
the news of that hour: revisions cannot be foretold. This is the martingale model of forecast
evolution: D. Heath and P. Jackson, "Modeling the Evolution of Demand Forecasts with Application to
Safety Stock Analysis in Production/Distribution Systems", IIE Transactions 26(3), 1994.

s(k) and phi are those of CarbonCast's published forecasts of 13 grids, July to December 2021.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from simulation.truth import Floats

LEADS = 96
"""Hours ahead that are modelled."""

PHI = 0.91

_KNOWN_LEADS = (0, 1, 24, 48, 95)
_KNOWN_SIGMAS = (0.0, 0.05, 0.09, 0.12, 0.14)

_DAY = 24


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
        known = sigma(np.arange(LEADS + 1.0)) ** 2
        offsets = np.arange(LEADS)
        self._scale = np.sqrt(np.diff(known))  # sqrt(v(m + 1)) at offset m = t - i
        fading = np.tril(PHI ** np.maximum(offsets[:, None] - offsets, 0))
        fading[:, 1:] *= np.sqrt(1 - PHI**2)
        self._mixing = (fading * self._scale[:, None]).T  # (LEADS drawn, LEADS offsets)
        self._news: dict[int, Floats] = {}
        self._sums: dict[int, Floats] = {}

    def errors(self, issue_hour: int) -> Floats:
        """Return the errors of leads 1 to 96, `(num_zones, LEADS)`, relative to the truth."""
        targets = np.arange(issue_hour + 1, issue_hour + 1 + LEADS)
        first, last = targets[0] // _DAY, targets[-1] // _DAY
        days = np.concatenate([self._day_sums(day) for day in range(first, last + 1)], axis=1)
        self._forget(first)
        return days[:, targets - first * _DAY, np.arange(LEADS)]

    def _day_sums(self, day: int) -> Floats:
        """Return the error of each hour of a day by its lead, `(num_zones, 24, LEADS)`."""
        if day not in self._sums:
            first = day - (LEADS - 1 + _DAY - 1) // _DAY
            news = np.concatenate([self._day_news(n) for n in range(first, day + 1)], axis=1)
            hours = (day - first) * _DAY + np.arange(_DAY)[:, None]  # of the news, (24, 1)
            offsets = np.arange(LEADS)
            self._sums[day] = news[:, hours - offsets, offsets].cumsum(axis=2)
        return self._sums[day]

    def _day_news(self, day: int) -> Floats:
        """Return what each hour of a day tells of those from it on, `(num_zones, 24, LEADS)`."""
        if day not in self._news:
            self._news[day] = np.stack([self._zone_news(zone, day) for zone in self._zones])
        return self._news[day]

    def _zone_news(self, zone: str, day: int) -> Floats:
        generator = np.random.default_rng([self._seed, zlib.crc32(zone.encode()), day])
        news: Floats = generator.standard_normal((_DAY, LEADS)) @ self._mixing
        return news

    def _forget(self, day: int) -> None:
        """Let go of days that no later forecast is about."""
        for kept, oldest in ((self._sums, day), (self._news, day - LEADS // _DAY - 1)):
            for past in [n for n in kept if n < oldest]:
                del kept[past]
