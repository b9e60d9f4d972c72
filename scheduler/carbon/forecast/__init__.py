"""Forecasts of a zone's carbon intensity, made from nothing but what the zone did before.

Two methods, one a module: `persistence` (the same hour yesterday) and `profile` (day and week
shape plus autoregressive residual). Both are tried on the zone's own last weeks, and the better
one is used. Every function is pure: the same history and the same `now` give the same forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from scheduler.carbon.forecast.hourly_history import HourlyHistory, history_of
from scheduler.carbon.forecast.method_choice import choose
from scheduler.carbon.forecast.quantile import quantiles
from scheduler.carbon.forecast.zone_forecast import Backtest, Forecast
from scheduler.carbon.reading import MOST_GCO2EQ_PER_KWH, Reading, refuse_naive
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping
from scheduler.carbon.signals.weather import Floats

__all__ = ["Backtest", "Forecast", "forecast"]

_LONGEST_LAG = 24
"""Hours. A history that ended earlier is no basis for the next hours."""

_DECIMALS = 2


def forecast(
    zone: str, history: Sequence[Reading], *, now: datetime, hours: int = 48
) -> Forecast | None:
    """Return a forecast for a zone, hourly and without a gap.

    Args:
        zone: Electricity Maps zone id.
        history: Readings of the zone, in any order and of any length of slot. Of several sources,
            the one with most readings is used. Only readings that ended by `now` count, and no
            forecasts or stale ones among them.
        now: When the forecast is issued, aware.
        hours: How many hours are forecast, the one that contains `now` being the first; positive.

    Returns:
        The forecast of the method that did better on this history; `None` if less than a day of
        the history is usable, or it ended more than a day before `now`.

    Raises:
        SignalError: If `now` is naive.
        ValueError: If `hours` is not positive.
    """
    refuse_naive(now)
    if hours < 1:
        msg = f"a forecast of {hours} hours is empty: forecast at least one hour"
        raise ValueError(msg)
    past = history_of(zone, history, now=now)
    if past is None:
        return None
    first = hours_overlapping(now, now + HOUR)[0]
    lag = first - past.end_hour
    if lag > _LONGEST_LAG:
        return None
    choice = choose(past, lag + hours)
    low, high = quantiles(choice.outcome, past.nearness)
    readings = _readings(past, now, choice.name, np.stack([choice.outcome.values, low, high]))
    return Forecast(zone, now, choice.name, readings[lag:], choice.backtest)


def _readings(
    past: HourlyHistory, now: datetime, method: str, values: Floats
) -> tuple[Reading, ...]:
    """Return readings of the median and both quantiles in `values`, shape `(3, leads)`."""
    bounded = np.round(np.clip(values, 0, MOST_GCO2EQ_PER_KWH), _DECIMALS)
    return tuple(
        Reading(
            zone=past.zone,
            start=hour_start(past.end_hour + lead),
            end=hour_start(past.end_hour + lead + 1),
            gco2eq_per_kwh=middle,
            source=past.source,
            family=past.family,
            quality="forecast",
            method=method,
            issued_at=now,
            low_gco2eq_per_kwh=None if np.isnan(low) else min(low, middle),
            high_gco2eq_per_kwh=None if np.isnan(high) else max(high, middle),
        )
        for lead, (middle, low, high) in enumerate(bounded.T.tolist())
    )
