"""How far off a method will probably be: quantiles of how far off it was at the same lead."""

from __future__ import annotations

import numpy as np

from scheduler.carbon.forecast.hourly_history import DAY
from scheduler.carbon.forecast.method_forecast import MethodForecast
from scheduler.carbon.signals.weather import Floats

LOW, HIGH = 0.1, 0.9

_FEWEST = DAY
"""Errors. Fewer do not show their tails."""


def quantiles(outcome: MethodForecast, nearness: Floats) -> tuple[Floats, Floats]:
    """Return the 10 % and 90 % quantile of each hour of a forecast, in gCO2eq/kWh.

    Args:
        outcome: The forecast of a method, and its errors.
        nearness: How much the errors from each origin count; see `History.nearness`.

    Returns:
        Two arrays of shape `(leads,)`; NaN where the method has fewer than a day of errors.
    """
    if len(outcome.errors) < _FEWEST:
        unknown = np.full_like(outcome.values, np.nan)
        return unknown, unknown
    order = np.argsort(outcome.errors, axis=0)  # (origins, leads); NaN comes last
    errors = np.take_along_axis(outcome.errors, order, axis=0)
    known = ~np.isnan(errors)
    weights = np.where(known, np.take_along_axis(outcome.weights(nearness), order, axis=0), 0)
    below = np.cumsum(weights, axis=0)
    enough = known.sum(axis=0) >= _FEWEST
    low, high = (_quantile(errors, below, share) for share in (LOW, HIGH))
    return (
        np.where(enough, outcome.values + low, np.nan),
        np.where(enough, outcome.values + high, np.nan),
    )


def _quantile(errors: Floats, below: Floats, share: float) -> Floats:
    """Return in each column the smallest error that `share` of the weight is at or below."""
    first = np.argmax(below >= share * below[-1], axis=0)
    found: Floats = np.take_along_axis(errors, first[None], axis=0)[0]
    return found
