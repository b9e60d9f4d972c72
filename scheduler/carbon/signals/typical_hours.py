"""The hours of a zone's typical day: the shape of its day and season, and weather that is drawn."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start
from scheduler.carbon.signals.day_shape import DayShape, typical_days
from scheduler.carbon.signals.weather import Floats, weather

_LEAST_SHARE_OF_MEAN = 0.05

_DECIMALS = 2
"""Readings are rounded: processors whose cosines differ in the last bit then see the same grid."""


@lru_cache(maxsize=4096)
def hours_of_day(zone: str, day: int) -> tuple[Reading, ...]:
    """Return the 24 hours of one UTC day, counted from 1970.

    Whole days are always computed: sums then always run over the same numbers in
    the same order, and a reading does not depend on the interval it was part of.
    """
    figures = typical_days()[zone]
    season = 2 * math.pi * hour_start(24 * day).timetuple().tm_yday / 365
    drawn = weather(zone, 24 * day, 24, std=figures.residual_std, phi=figures.residual_ar1_per_hour)
    relative = np.maximum(_shape(figures, season) + drawn, _LEAST_SHARE_OF_MEAN)
    values = np.round(figures.mean_gco2eq_per_kwh * relative, _DECIMALS)
    return tuple(_reading(zone, 24 * day + h, float(value)) for h, value in enumerate(values))


def _shape(f: DayShape, s: float) -> Floats:
    """Return a day without weather, relative to the mean, shape `(24,)`.

    Args:
        f: The zone's figures.
        s: The season's angle, 2 pi times the day of the year over 365.
    """
    w = 2 * np.pi * np.arange(24) / 24  # (24,); the table was fitted at the start of each hour
    cos_w, sin_w, cos_2w, sin_2w = np.cos(w), np.sin(w), np.cos(2 * w), np.sin(2 * w)
    daily: Floats = (
        f.day_cos * cos_w + f.day_sin * sin_w + f.halfday_cos * cos_2w + f.halfday_sin * sin_2w
    )
    seasonal: Floats = (
        f.season_x_day_cos * cos_w
        + f.season_x_day_sin * sin_w
        + f.season_x_halfday_cos * cos_2w
        + f.season_x_halfday_sin * sin_2w
    )
    level = 1 + f.season_cos * math.cos(s) + f.season_sin * math.sin(s)
    shape: Floats = level + daily + math.cos(s) * seasonal
    return shape


def _reading(zone: str, hour: int, gco2eq_per_kwh: float) -> Reading:
    start = hour_start(hour)
    return Reading(
        zone=zone,
        start=start,
        end=start + HOUR,
        gco2eq_per_kwh=gco2eq_per_kwh,
        source="typical_day",
        family=FLOW_TRACED,
        quality="modelled",
    )
