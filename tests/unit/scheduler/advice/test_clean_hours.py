"""Best hours are cleaner than the mean; a flat grid has none; a week is known or it is not."""

from datetime import timedelta

import pytest

from scheduler.advice.clean_hours import cleanest_window, look_ahead, typical_week
from tests.unit.scheduler.advice.cases import DAY, MONDAY, grid, noon_is_clean
from tests.unit.scheduler.story import HOUR, NOON


def test_the_cleanest_hours_to_come_are_named_in_order_of_time():
    # From 20:00 on: at 03:00 it is 50, at 05:00 it is 20, at 04:00 it is 80, else 200 g/kWh.
    clean = {3: 50.0, 4: 80.0, 5: 20.0}
    evening = NOON.replace(hour=20)
    outlook = look_ahead(grid(evening, 24, lambda at: clean.get(at.hour, 200.0)), evening)
    assert outlook is not None
    assert [(h.start.hour, h.gco2eq_per_kwh) for h in outlook.best] == [
        (3, 50.0),
        (4, 80.0),
        (5, 20.0),
    ]
    assert outlook.now_gco2eq_per_kwh == 200.0
    assert outlook.mean_gco2eq_per_kwh == pytest.approx((21 * 200 + 150) / 24)
    assert outlook.source == "test"


def test_the_middle_of_an_hour_is_a_beginning_too():
    at = NOON + timedelta(minutes=30)
    outlook = look_ahead(grid(NOON, 25, noon_is_clean), at)
    assert outlook is not None
    assert outlook.best[0].start == NOON + HOUR


def test_the_bounds_of_a_forecast_are_shown_with_it():
    told = grid(NOON, 24, noon_is_clean, low_gco2eq_per_kwh=40.0, high_gco2eq_per_kwh=400.0)
    outlook = look_ahead(told, NOON)
    assert outlook is not None
    assert (outlook.best[0].low_gco2eq_per_kwh, outlook.best[0].high_gco2eq_per_kwh) == (40, 400)


def test_no_hour_of_a_flat_grid_is_best():
    outlook = look_ahead(grid(NOON, 24, lambda _: 50.0), NOON)
    assert outlook is not None
    assert outlook.best == ()


def test_a_day_with_a_gap_is_no_outlook():
    told = grid(NOON, 24, noon_is_clean)
    assert look_ahead(told[:10] + told[11:], NOON) is None
    assert look_ahead((), NOON) is None


def test_the_typical_week_is_the_mean_of_each_hour():
    # Two weeks; in the second every hour is 100 g/kWh dirtier.
    first = grid(MONDAY, 168, noon_is_clean)
    second = grid(MONDAY + 7 * DAY, 168, lambda at: noon_is_clean(at) + 100)
    week = typical_week(first + second)
    assert week is not None
    assert week.days == 14
    assert week.gco2eq_per_kwh[0] == 350.0
    assert week.gco2eq_per_kwh[24 + 12] == 150.0
    assert week.window(best=True) == (10, 150.0)
    assert week.window(best=False) == (0, 350.0)
    assert not week.flat


def test_a_window_may_run_from_sunday_into_monday():
    night = {(6, 23), (0, 0), (0, 1)}
    week = typical_week(grid(MONDAY, 168, lambda t: 10 if (t.weekday(), t.hour) in night else 99))
    assert week is not None
    assert week.window(best=True) == (167, 10.0)


def test_half_hours_make_hours():
    halves = [
        r.__class__(
            "DE", r.start + n * HOUR / 2, r.start + (n + 1) * HOUR / 2, r.gco2eq_per_kwh + 50 * n,
            r.source, r.family, r.quality,
        )
        for r in grid(MONDAY, 168, noon_is_clean)
        for n in (0, 1)
    ]  # fmt: skip
    week = typical_week(halves)
    assert week is not None
    assert week.gco2eq_per_kwh[0] == 325.0


def test_a_week_with_an_hour_never_read_is_unknown():
    assert typical_week(grid(MONDAY, 167, noon_is_clean)) is None


def test_the_cleanest_window_is_the_same_every_day():
    window = cleanest_window(grid(MONDAY, 14 * 24, noon_is_clean))
    assert window is not None
    assert (window.start_h, window.hours, window.gco2eq_per_kwh, window.days) == (10, 6, 100.0, 14)
    assert window.holds(NOON)
    assert not window.holds(NOON.replace(hour=16))


def test_a_window_may_run_over_midnight():
    night = cleanest_window(
        grid(MONDAY, 168, lambda t: 10 if t.hour in (22, 23, 0, 1, 2, 3) else 9e2)
    )
    assert night is not None
    assert night.start_h == 22
    assert night.holds(NOON.replace(hour=3))
    assert not night.holds(NOON.replace(hour=4))


def test_days_differ_and_so_do_the_bounds_of_a_window():
    # Ten days, each 10 g/kWh dirtier: 10 % and 90 % of nine steps are the second and ninth day.
    window = cleanest_window(grid(MONDAY, 240, lambda t: noon_is_clean(t) + 10 * (t - MONDAY).days))
    assert window is not None
    assert (window.low_gco2eq_per_kwh, window.high_gco2eq_per_kwh) == (110.0, 180.0)
    assert window.gco2eq_per_kwh == pytest.approx(145.0)


def test_less_than_seven_days_show_no_window():
    assert cleanest_window(grid(MONDAY, 6 * 24, noon_is_clean)) is None
