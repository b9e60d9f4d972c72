"""Hourly emissions: what an update of each candidate emits, hour by hour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats, Ints

_UNKNOWN_WH = 1e-3
"""Energy per example where none is known: any figure, as long as it is the same for all."""

WH_PER_KWH = 1000.0


@dataclass(frozen=True)
class HourlyEmissions:
    """Candidates without unknown figures; N candidates, Z zones, H hours, the current one first.

    Attributes:
        zone: Of each candidate, its row in `ahead`; `(N,)`.
        ahead: Carbon intensity by zone and hour, gCO2eq/kWh; `(Z, H)`.
        energy_wh: Of an update with all the run's local epochs; `(N,)`.
        examples: Of each candidate; `(N,)`.
    """

    zone: Ints
    ahead: Floats
    energy_wh: Floats
    examples: Floats

    @property
    def hours(self) -> int:
        """How many hours are planned, the current one included."""
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


def hourly_emissions(
    pool: CandidateTable, *, horizon_h: float, end_h: float | None
) -> HourlyEmissions:
    """Return candidates with their unknown figures filled in.

    An unknown number of examples is the median; an unknown energy per example, too. An hour without
    a forecast is the mean of the others. A zone without any figure is as dirty as the dirtiest.

    Args:
        pool: The candidates, at least one.
        horizon_h: Hours to plan, at most.
        end_h: Hours until the run's end, where planning stops; `None` if it has none.
    """
    examples = _filled(pool.num_examples, 1.0)
    per_example = _filled(pool.energy_wh / np.maximum(examples, 1.0), _UNKNOWN_WH)
    return HourlyEmissions(
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
    unknown = np.isnan(ahead).all(axis=1)
    worst = np.nanmax(ahead) if not unknown.all() else 1.0
    ahead[unknown] = worst
    gaps = np.isnan(ahead)
    return np.where(gaps, np.nanmean(ahead, axis=1, keepdims=True), ahead)


def _filled(column: Floats, otherwise: float) -> Floats:
    gaps = np.isnan(column)
    if gaps.all():
        return np.full(column.shape, otherwise)
    return np.where(gaps, np.median(column[~gaps]), column)
