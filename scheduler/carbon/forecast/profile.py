r"""Day and week shape plus autoregressive residual, fitted to the zone's own last weeks.

With y the intensity, t the last known hour, h the lead in hours and k = ceil(h / 24) the days
ahead, so that u = t + h - 24 k is the last known hour at the target's time of day:

    P(u) = a y(u) + (1 - a) P(u - 24)          day shape: exponentially weighted mean of the same
                                               hours of day, normalised at the start; a = 0.1
    S(u) = the same mean of s                  s = 1 on weekends, else 0
    r(t) = y(t) - P(t - 24)                    residual: how far today is from its shape
    q(t) = mean(r(24)^2 ... r(t)^2)            its variance so far

    forecast(t + h) = P(u) + b1(h) (y(u) - P(u))              yesterday's own shape
                           + b2(h) r(t)                       what is unusual this hour
                           + b3(h) mean(r(t - 23) ... r(t))   what is unusual this day
                           + b4(h) sqrt(q(t)) (s(t + h) - S(u))   the weekend

So persistence (b1 = 1) and the mean day (b = 0) are among the forecasts that it can learn. Every
lead has weights of its own, fitted directly to that lead rather than iterated hour by hour, by
least squares that pull them towards b(h) = (0, phi^h, 0, 0): a residual that fades as an AR(1)
process does. That pull is all there is on the first days and gives way as the history grows:

    b(h) = argmin sum over t of w(t) (truth - forecast)^2 + 50 q |b - (0, phi^h, 0, 0)|^2

The w(t) favour origins at the present time of day; see `HourlyHistory.nearness`.

The constants a, phi and 50 were chosen on 13 zones of CarbonCast, June 2020 to June 2021; a
neighbouring choice changes the error by about one part in a hundred.

Rob J. Hyndman and George Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., OTexts
2021, sections 7.4 (features of the calendar), 8.1 (exponential weights) and 10 (regression with
autoregressive residuals), https://otexts.com/fpp3/. Diptyaroop Maji, Prashant Shenoy and Ramesh K.
Sitaraman, "CarbonCast: multi-day forecasting of grid carbon intensity", BuildSys 2022,
https://doi.org/10.1145/3563357.3564079, does better on the first day with weather forecasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from scheduler.carbon.forecast.hourly_history import DAY, HourlyHistory, days_ahead
from scheduler.carbon.forecast.method_forecast import TRIED, MethodForecast
from scheduler.carbon.signals.weather import Floats

_SHAPE_WEIGHT = 0.1
_PHI_PER_HOUR = 0.97
_PULL = 50.0

_FIRST = 2 * DAY
"""The first origin in a history: before it, there is no residual of a whole day."""

_REFITTED = 7 * DAY
"""Hours. In the past, too, weights were fitted to nothing but what was past then, week by week."""

_NEGLIGIBLE = 1e-9
"""Keeps the equations solvable on a constant grid."""


@dataclass(frozen=True, slots=True, eq=False)
class _ProfileTerms:
    """The terms of the module's formula, hour by hour; all of shape `(n,)` but `weekend`."""

    y: Floats
    shape: Floats
    residual: Floats
    residual_of_day: Floats
    variance: Floats
    weekend: Floats  # (n + leads,)
    weekend_shape: Floats


def profile(history: HourlyHistory, leads: int) -> MethodForecast:
    """Return the forecast of `leads` hours; see `MethodForecast`.

    The history must be longer than two days.
    """
    series = _series(history, leads)
    n = len(series.y)
    first = max(_FIRST, n - TRIED)
    fits = [first, *reversed(range(n - _REFITTED, first, -_REFITTED)), n - 1]
    weights = history.nearness[_FIRST:]
    values = np.empty(leads)
    errors = np.full((n - 1 - first, leads), np.nan)
    for lead in range(1, leads + 1):
        predicted = _predict(series, weights, lead=lead, fits=fits)
        values[lead - 1] = predicted[-1]
        known = max(0, n - lead - first)
        errors[:known, lead - 1] = series.y[first + lead :] - predicted[:known]
    return MethodForecast(values, errors)


def _predict(series: _ProfileTerms, weights: Floats, *, lead: int, fits: list[int]) -> Floats:
    """Return the forecasts of one lead from every origin since `fits[0]`.

    What is solved for is b less the point that it is pulled to, which is part of the base.

    Args:
        series: The terms.
        weights: How much each origin since `_FIRST` counts, shape `(n - _FIRST,)`.
        lead: Hours ahead.
        fits: Origins, ascending, at which b is fitted to what is known there, to hold up to the
            next of them.
    """
    base, terms = _terms(series, lead)  # (n - _FIRST,), (4, n - _FIRST)
    base = base + _PHI_PER_HOUR**lead * series.residual[_FIRST:]
    surprise = series.y[_FIRST + lead :] - base[: max(0, len(base) - lead)]
    weighted = terms * weights
    predicted = []
    for fit, end in pairwise([*fits, len(series.y)]):
        known = max(0, fit - lead + 1 - _FIRST)
        past, here = slice(known), slice(fit - _FIRST, end - _FIRST)
        pull = max(_PULL * series.variance[fit], _NEGLIGIBLE) * np.eye(len(terms))
        # Not `@`: for so little, BLAS starts threads that wait for one another on a busy machine.
        gram = np.einsum("it,jt->ij", weighted[:, past], terms[:, past])
        moment = np.einsum("it,t->i", weighted[:, past], surprise[past])
        b = np.linalg.solve(gram + pull, moment)
        predicted.append(base[here] + np.einsum("it,i->t", terms[:, here], b))
    return np.concatenate(predicted)


def _terms(series: _ProfileTerms, lead: int) -> tuple[Floats, Floats]:
    """Return P(u) and what b is multiplied by, for every origin since `_FIRST`."""
    origins = np.arange(_FIRST, len(series.y))
    same_hour = origins + lead - DAY * days_ahead(lead)
    shape = series.shape[same_hour]
    terms = [
        series.y[same_hour] - shape,
        series.residual[origins],
        series.residual_of_day[origins],
        (series.weekend[origins + lead] - series.weekend_shape[same_hour])
        * np.sqrt(series.variance[origins]),
    ]
    return shape, np.stack(terms)


def _series(history: HourlyHistory, leads: int) -> _ProfileTerms:
    y = history.values
    shape = _shape(y)
    residual = np.zeros_like(y)
    residual[DAY:] = y[DAY:] - shape[:-DAY]
    variance = np.zeros_like(y)
    variance[DAY:] = np.cumsum(residual[DAY:] ** 2) / np.arange(1, len(y) - DAY + 1)
    weekend = history.weekend(leads).astype(np.float64)
    return _ProfileTerms(
        y=y,
        shape=shape,
        residual=residual,
        residual_of_day=np.convolve(residual, np.full(DAY, 1 / DAY))[: len(y)],
        variance=variance,
        weekend=weekend,
        weekend_shape=_shape(weekend[: len(y)]),
    )


def _shape(y: Floats) -> Floats:
    """Return P(u) for every hour u of a history of whole days."""
    days = y.reshape(-1, DAY)
    shape = np.empty_like(days)
    total, weight = np.zeros(DAY), 0.0
    for day, values in enumerate(days):
        total = (1 - _SHAPE_WEIGHT) * total + _SHAPE_WEIGHT * values
        weight = (1 - _SHAPE_WEIGHT) * weight + _SHAPE_WEIGHT
        shape[day] = total / weight
    return shape.ravel()
