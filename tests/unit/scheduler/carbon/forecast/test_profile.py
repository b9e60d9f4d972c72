"""Day and week shape plus autoregressive residual: it learns what is there to be learnt."""

from collections.abc import Callable

import numpy as np
import pytest

from scheduler.carbon.forecast.hourly_history import HourlyHistory
from scheduler.carbon.forecast.method_forecast import MethodForecast
from scheduler.carbon.forecast.persistence import persistence
from scheduler.carbon.forecast.profile import _shape, profile
from scheduler.carbon.signals.weather import Floats
from tests.unit.scheduler.carbon.forecast.grids import history, solar_grid

WEEKS = 24 * 7


def mean_error(
    method: Callable[[HourlyHistory, int], MethodForecast],
    y: Floats,
    *,
    origins: range,
    leads: int = 24,
) -> float:
    """Return the mean absolute error of forecasts from several origins."""
    errors = [
        np.abs(method(history(y[o - 5 * WEEKS : o]), leads).values - y[o : o + leads])
        for o in origins
    ]
    return float(np.mean(errors))


def test_the_shape_is_a_mean_that_forgets():
    # Two days of 10, then one of 20: weights 0.1, 0.09 and 0.081 from the newest back,
    # (0.1 * 20 + 0.171 * 10) / 0.271 = 13.690037.
    shape = _shape(np.repeat([10.0, 10.0, 20.0], 24))
    assert shape[[0, 24, 48]] == pytest.approx([10, 10, 13.690037])


def test_a_daily_shape_with_fading_weather_is_forecast_better_than_by_persistence():
    y = solar_grid(20 * WEEKS, phi=0.95)
    origins = range(6 * WEEKS, 19 * WEEKS, 31)
    ours, theirs = (mean_error(m, y, origins=origins) for m in (profile, persistence))
    assert ours < 0.85 * theirs


def test_with_nothing_but_noise_it_comes_near_the_best_there_is():
    # White noise of deviation 30 on a known shape: the best mean absolute error is that of the
    # normal distribution, 30 * sqrt(2 / pi) = 23.9; persistence has sqrt(2) times as much.
    y = solar_grid(20 * WEEKS, phi=0.0)
    origins = range(6 * WEEKS, 19 * WEEKS, 31)
    assert mean_error(profile, y, origins=origins) < 1.1 * 23.9
    assert mean_error(persistence, y, origins=origins) > 1.3 * 23.9


def test_weekends_are_foreseen():
    # From Friday on, persistence says a weekday for Saturday. NOW is a Wednesday, 00:00.
    y = solar_grid(8 * WEEKS + 72, std=2.0)
    hours = np.arange(len(y)) - 8 * WEEKS
    y = y - 60 * ((hours // 24 + 2) % 7 >= 5)
    past = history(y[: 8 * WEEKS])
    saturday = slice(72, 96)
    truth = 240 + 100 * np.cos(2 * np.pi * np.arange(24) / 24)
    assert np.abs(profile(past, 96).values[saturday] - truth).mean() < 20
    assert np.abs(persistence(past, 96).values[saturday] - truth).mean() > 50


def test_on_the_first_days_a_surprise_fades_as_an_ar1_process_does():
    # Flat at 100 for two days and 23 hours, then 110: with too little to learn from, lead h says
    # 100 + 0.97^h * 10, on top of the shape's own 10 % of the surprise at the same time of day.
    y = np.full(72, 100.0)
    y[-1] = 110
    said = profile(history(y), 10).values
    assert said == pytest.approx(100 + 10 * 0.97 ** np.arange(1, 11), abs=1.5)


def test_errors_know_nothing_of_what_came_after_their_origin():
    y = solar_grid(4 * WEEKS)
    changed = y.copy()
    changed[-WEEKS:] = changed[-WEEKS:][::-1]
    one, other = (profile(history(values), 24).errors for values in (y, changed))
    before = len(one) - WEEKS - 24
    assert np.array_equal(one[:before], other[:before])


def test_the_last_error_is_that_of_the_forecast_an_hour_ago():
    y = solar_grid(3 * WEEKS)
    errors = profile(history(y), 5).errors
    assert errors.shape == (3 * WEEKS - 48 - 1, 5)
    assert np.isnan(errors[-1]).tolist() == [False, True, True, True, True]
