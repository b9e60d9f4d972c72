"""The ground a plan stands on: what an update of each candidate emits, hour by hour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scheduler.policies.pool import CandidateTable, Floats, Ints

_UNKNOWN_WH = 1e-3
"""Energy for one example where nobody's is known: any figure, as long as it is the same."""

WH_PER_KWH = 1000.0


@dataclass(frozen=True)
class Ground:
    """Candidates without gaps; N candidates, Z zones, H hours, the running one first.

    Attributes:
        zone: Of each candidate, its row in `ahead`; `(N,)`.
        ahead: Carbon intensity by zone and hour, gCO2eq/kWh; `(Z, H)`.
        energy_wh: Of an update with all the run's local epochs; `(N,)`.
        examples: That count, by candidate; `(N,)`.
    """

    zone: Ints
    ahead: Floats
    energy_wh: Floats
    examples: Floats

    @property
    def hours(self) -> int:
        """How many hours are looked at, the running one included."""
        return len(self.ahead[0])

    def gco2eq(self, hour: int) -> Floats:
        """Return what a whole update of each candidate emits in an hour; `(N,)`."""
        grams: Floats = self.energy_wh * self.ahead[self.zone, hour] / WH_PER_KWH
        return grams

    @cached_property
    def usual_gco2eq(self) -> Floats:
        """What a whole update of each candidate emits in the mean of the hours; `(N,)`."""
        grams: Floats = self.energy_wh * self.ahead.mean(axis=1)[self.zone] / WH_PER_KWH
        return grams


def ground_of(pool: CandidateTable, *, horizon_h: float, end_h: float | None) -> Ground:
    """Return candidates with their gaps filled.

    A client that did not say how many examples it has counts as the middle one; one of unknown
    energy uses as much for an example as the middle one. An hour that is not forecast is like the
    mean of the others. A grid of which nothing is known is as dirty as the dirtiest known.

    Args:
        pool: The candidates, at least one.
        horizon_h: Hours that are looked at, at most.
        end_h: Hours until the run's end, which is not looked beyond; `None` if it has none.
    """
    examples = _filled(pool.num_examples, 1.0)
    per_example = _filled(pool.energy_wh / np.maximum(examples, 1.0), _UNKNOWN_WH)
    return Ground(
        zone=pool.zone,
        ahead=_ahead(pool, min(horizon_h, math.inf if end_h is None else end_h)),
        energy_wh=per_example * np.maximum(examples, 1.0),
        examples=np.maximum(examples, 1.0),
    )


def _ahead(pool: CandidateTable, most_h: float) -> Floats:
    hours = max(1, min(pool.forecasts.shape[1], math.ceil(most_h)))
    ahead = np.full((len(pool.zones), hours), np.nan)
    known = pool.forecasts[:, :hours]
    ahead[:, : known.shape[1]] = known
    now = np.full(len(pool.zones), np.nan)
    np.fmin.at(now, pool.zone, pool.intensity_gco2eq_per_kwh)
    ahead[:, 0] = np.where(np.isnan(now), ahead[:, 0], now)
    silent = np.isnan(ahead).all(axis=1)
    worst = np.nanmax(ahead) if not silent.all() else 1.0
    ahead[silent] = worst
    gaps = np.isnan(ahead)
    return np.where(gaps, np.nanmean(ahead, axis=1, keepdims=True), ahead)


def _filled(column: Floats, otherwise: float) -> Floats:
    gaps = np.isnan(column)
    if gaps.all():
        return np.full(column.shape, otherwise)
    return np.where(gaps, np.median(column[~gaps]), column)
