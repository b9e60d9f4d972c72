"""Foresight: what is believed of the hours to come, issued anew every hour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from common.errors import SettingError
from scheduler.carbon.forecast import forecast
from scheduler.carbon.reading import MOST_GCO2EQ_PER_KWH
from scheduler.carbon.signal import HOUR, hour_start
from scheduler.carbon.zone_history import KEPT
from simulation.grids.error_model import LEADS, ErrorModel
from simulation.grids.recorded import read_records
from simulation.grids.truth import Floats, Truth
from simulation.scenario.files import find_file
from simulation.scenario.scenario import ForecastPart

Foresight = Callable[[int], Floats]
"""Takes the UTC hour of issue, counted from 1970, to the forecasts of the 96 hours behind it, of
more only if the truth is forecast: `(num_zones, hours)`, gCO2eq/kWh, NaN where there is none."""

_DAY = 24


def make_foresight(
    part: ForecastPart, truth: Truth, *, seed: int, most_h: int = LEADS
) -> Foresight:
    """Return the foresight of a scenario.

    Args:
        part: Its settings; a path leads to the file.
        truth: What will happen.
        seed: Draws the errors of the forecasts that have drawn ones.
        most_h: Hours of the truth that a perfect forecast holds.
    """
    if part.mode == "perfect":
        return lambda hour: truth.hours(hour + 1, most_h)
    if part.mode == "recorded":
        assert part.path is not None  # noqa: S101 - the part was checked, for the type checker
        return _recorded(truth, find_file(part.path))
    if part.mode == "ar1":
        return _wrong(truth, part.error_factor, seed)
    return _own(truth) if part.mode == "own" else _persistence(truth)


def _persistence(truth: Truth) -> Foresight:
    same_hour = np.arange(LEADS) % _DAY
    return lambda hour: truth.hours(hour + 1 - _DAY, _DAY)[:, same_hour]


def _wrong(truth: Truth, error_factor: float, seed: int) -> Foresight:
    model = ErrorModel(truth.zones, seed=seed)

    def foresee(hour: int) -> Floats:
        off = 1 + error_factor * model.errors(hour)
        return np.clip(truth.hours(hour + 1, LEADS) * off, 0, MOST_GCO2EQ_PER_KWH)

    return foresee


def _recorded(truth: Truth, path: Path) -> Foresight:
    issued = read_records(path).issued
    if not issued:
        msg = (
            f"{path} holds no forecasts, only what the grids did, so nothing was simulated. Name a "
            "file with a column issued_at, or choose another mode of forecast."
        )
        raise SettingError(msg)

    def foresee(hour: int) -> Floats:
        ahead = np.full((len(truth.zones), LEADS), np.nan)
        for row, zone in zip(ahead, truth.zones, strict=True):
            newest = max((issue for issue in issued.get(zone, ()) if issue <= hour), default=None)
            if newest is not None:
                forecast = issued[zone][newest]
                row[:] = [forecast.get(hour + lead, np.nan) for lead in range(1, LEADS + 1)]
        return ahead

    return foresee


def _own(truth: Truth) -> Foresight:
    known_h = KEPT // HOUR

    def foresee(hour: int) -> Floats:
        ahead, now = np.full((len(truth.zones), LEADS), np.nan), hour_start(hour)
        for row, zone in zip(ahead, truth.zones, strict=True):
            past = truth.past(zone, hour - known_h, hour)
            made = forecast(zone, past, now=now, hours=LEADS + 1)
            if made is not None:
                row[:] = [reading.gco2eq_per_kwh for reading in made.readings[1:]]
        return ahead

    return foresee
