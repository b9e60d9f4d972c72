"""Quantiles are those of a method's own past errors."""

import numpy as np
import pytest

from scheduler.carbon.forecast.method_forecast import MethodForecast
from scheduler.carbon.forecast.quantile import quantiles
from tests.unit.scheduler.carbon.forecast.grids import HOUR, NOW, forecast_of, readings, solar_grid


def test_quantiles_are_added_to_what_is_said():
    # Errors 1 to 100, all counting alike: a tenth of them is at or below 10, nine tenths below 90.
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 101))[:, None]
    low, high = quantiles(MethodForecast(np.array([500.0]), errors), np.ones(101))
    assert [*low, *high] == pytest.approx([510, 590])


def test_errors_near_the_present_time_of_day_count_more():
    # Half of the errors are 0 and count fully, half are 100 and count a twentieth: 1 / 21 < 0.1.
    errors = np.repeat([0.0, 100.0], 50)[:, None]
    nearness = np.repeat([1.0, 0.05, 1.0], [50, 50, 1])
    low, high = quantiles(MethodForecast(np.array([500.0]), errors), nearness)
    assert [*low, *high] == [500, 500]


def test_fewer_than_a_day_of_errors_tell_nothing():
    errors = np.zeros((40, 2))
    errors[23:, 1] = np.nan
    low, high = quantiles(MethodForecast(np.array([500.0, 500.0]), errors), np.ones(41))
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True]


def test_four_of_five_true_values_lie_between_them():
    y = solar_grid(24 * 7 * 30, phi=0.9)
    inside = []
    for origin in range(24 * 7 * 9, 24 * 7 * 29, 97):
        now = NOW + origin * HOUR
        known = readings(y[origin - 24 * 56 : origin], end=now)
        made = forecast_of(known, now=now, hours=24)
        truth = y[origin : origin + 24]
        inside += [
            (r.low_gco2eq_per_kwh or 0) <= v <= (r.high_gco2eq_per_kwh or 0)
            for r, v in zip(made.readings, truth, strict=True)
        ]
    assert 0.72 < np.mean(inside) < 0.88
