"""The forecast method of a zone: the one with the smaller error over the zone's last weeks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scheduler.carbon.forecast.hourly_history import DAY, HourlyHistory
from scheduler.carbon.forecast.method_forecast import MethodForecast
from scheduler.carbon.forecast.persistence import persistence
from scheduler.carbon.forecast.profile import profile
from scheduler.carbon.forecast.zone_forecast import Backtest
from scheduler.carbon.signals.weather import Floats

METHODS: dict[str, Callable[[HourlyHistory, int], MethodForecast]] = {
    "persistence": persistence,
    "profile": profile,
}
"""The simplest first: it is used where no other is better."""

_TRIED_AFTER = 3 * DAY
"""Hours. A shorter history cannot decide which method is better."""

_NEAR_ZERO_GCO2EQ_PER_KWH = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class MethodChoice:
    """The chosen method, its forecast, and its past error; `None` if that is unknown."""

    name: str
    outcome: MethodForecast
    backtest: Backtest | None


def choose(history: HourlyHistory, leads: int) -> MethodChoice:
    """Return the method with the least mean absolute error over all leads.

    Methods are compared from the same origins, about four weeks of them if there are.
    """
    if len(history.values) < _TRIED_AFTER:
        return MethodChoice("persistence", persistence(history, leads), None)
    outcomes = {name: method(history, leads) for name, method in METHODS.items()}
    origins = min(len(outcome.errors) for outcome in outcomes.values())
    tests = {name: _test(history, outcome, origins) for name, outcome in outcomes.items()}
    best = min(tests, key=lambda name: tests[name].mae_gco2eq_per_kwh)
    return MethodChoice(best, outcomes[best], tests[best])


def _test(history: HourlyHistory, outcome: MethodForecast, origins: int) -> Backtest:
    errors = np.abs(outcome.errors[-origins:])
    weights = np.where(np.isnan(errors), 0, outcome.weights(history.nearness)[-origins:])
    errors = np.nan_to_num(errors)
    truth = _truth(history.values, *errors.shape)
    relative = errors / np.maximum(truth, _NEAR_ZERO_GCO2EQ_PER_KWH)
    shares_mean_something = truth.min() >= _NEAR_ZERO_GCO2EQ_PER_KWH
    return Backtest(
        mae_gco2eq_per_kwh=float(np.average(errors, weights=weights)),
        mape=float(np.average(relative, weights=weights)) if shares_mean_something else None,
        origins=origins,
    )


def _truth(values: Floats, origins: int, leads: int) -> Floats:
    """Return what each origin's forecast was about; past the end, the last value."""
    last = len(values) - 1
    ahead = np.arange(last - origins, last)[:, None] + np.arange(1, leads + 1)
    truth: Floats = values[np.minimum(ahead, last)]
    return truth
