"""The method that did better on the zone's own last weeks speaks."""

import numpy as np
import pytest

from scheduler.carbon.forecast.method_choice import choose
from tests.unit.scheduler.carbon.forecast.grids import history, solar_grid


def test_where_there_is_weather_the_profile_speaks():
    choice = choose(history(solar_grid(24 * 28)), 24)
    assert choice.name == "profile"
    assert choice.backtest
    assert choice.backtest.origins == 24 * 28 - 48 - 1


def test_where_every_day_is_like_the_last_persistence_speaks():
    # The shape changes for good every ten days, and not at all in between.
    days = np.repeat(np.random.default_rng(5).uniform(100, 500, (3, 24)), 10, axis=0)
    choice = choose(history(days.ravel()), 24)
    assert choice.name == "persistence"


def test_less_than_three_days_tell_nothing_about_methods():
    choice = choose(history(solar_grid(48)), 24)
    assert (choice.name, choice.backtest) == ("persistence", None)


def test_the_error_is_that_of_the_forecasts_it_would_have_made():
    # Days alternate between 100 and 110: persistence is always 10 off one day ahead, the true
    # value being either; a share of a tenth or an eleventh of it. Ours learns to do better.
    y = np.tile(np.repeat([100.0, 110.0], 24), 15)
    backtest = choose(history(y), 24).backtest
    assert backtest
    assert backtest.mae_gco2eq_per_kwh < 10
    assert backtest.mape == pytest.approx(backtest.mae_gco2eq_per_kwh / 105, rel=0.1)


def test_a_share_of_nearly_nothing_is_unknown():
    y = solar_grid(24 * 14)
    y[100] = 0.4
    backtest = choose(history(y), 24).backtest
    assert backtest
    assert backtest.mape is None
