"""The gain of a forecast: the share of the possible saving that the hours it calls cleanest get."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.forecast import CLEANEST_H, WINDOW_H, gain
from scheduler.carbon.signals.weather import Floats


def hours(*cleanest: int, clean: float = 100.0) -> Floats:
    """Return 48 hours at 400 gCO2eq/kWh, and at less in those given."""
    values = np.full((1, WINDOW_H), 400.0)
    values[0, list(cleanest)] = clean
    return values


TRUTH = hours(*range(20, 28))


def test_perfect_foresight_gains_all_and_its_opposite_less_than_chance() -> None:
    assert gain(TRUTH, TRUTH) == pytest.approx(1)
    # The mean is (8 * 100 + 40 * 400) / 48 = 350; its opposite trains at 400: -50 of 250 possible.
    assert gain(-TRUTH, TRUTH) == pytest.approx(-0.2)


def test_half_of_the_cleanest_hours_found_gain_less_than_half() -> None:
    # Four hours at 100 and four at 400 are 250: 350 - 250 = 100 of 350 - 100 = 250.
    assert gain(hours(*range(24, 24 + CLEANEST_H)), TRUTH) == pytest.approx(0.4)


def test_a_forecast_that_is_far_off_but_in_the_right_order_gains_all() -> None:
    assert gain(10 * TRUTH + 500, TRUTH) == pytest.approx(1)


def test_days_on_which_there_is_nothing_to_save_count_nothing() -> None:
    flat = np.full((1, WINDOW_H), 300.0)
    assert gain(np.vstack([TRUTH, flat]), np.vstack([TRUTH, flat])) == pytest.approx(1)
    assert np.isnan(gain(flat, flat))


def test_hours_beyond_the_window_are_not_looked_at() -> None:
    longer = np.hstack([TRUTH, np.zeros((1, 48))])
    assert gain(longer, longer) == pytest.approx(1)
