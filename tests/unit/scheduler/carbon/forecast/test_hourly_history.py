"""Readings of any slots become hours without gaps."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from scheduler.carbon.forecast.hourly_history import HourlyHistory, history_of
from scheduler.carbon.reading import Reading
from tests.unit.scheduler.carbon.forecast.grids import HOUR, NOW, history, reading, readings

MINUTES = timedelta(minutes=1)


def of(known: list[Reading], *, now: datetime = NOW) -> HourlyHistory:
    found = history_of("DE", known, now=now)
    assert found is not None
    return found


def values_of(known: list[Reading]) -> list[float]:
    values: list[float] = of(known).values.tolist()
    return values


def without(known: list[Reading], *hours: int) -> list[Reading]:
    return [r for i, r in enumerate(known) if i not in hours]


def test_an_hour_is_the_mean_of_its_slots_weighted_by_time():
    # The last hour: 20 minutes at 60 and 40 at 120, so (20 * 60 + 40 * 120) / 60 = 100.
    start = NOW - HOUR
    slots = [
        reading(start, 60, slot=20 * MINUTES),
        reading(start + 20 * MINUTES, 120, slot=40 * MINUTES),
    ]
    assert values_of([*readings([100.0] * 23, end=start), *slots]) == pytest.approx([100.0] * 24)


def test_a_slot_of_several_hours_holds_in_each_of_them():
    long = [
        reading(NOW - 24 * HOUR, 80, slot=12 * HOUR),
        reading(NOW - 12 * HOUR, 90, slot=12 * HOUR),
    ]
    assert values_of(long) == [80.0] * 12 + [90.0] * 12


def test_an_hour_of_which_less_than_half_is_known_is_a_gap():
    short = reading(NOW - 12 * HOUR, 999, slot=20 * MINUTES)
    assert values_of([*without(readings([50.0] * 24), 12), short]) == [50.0] * 24


def test_of_two_readings_of_a_slot_the_surer_one_counts():
    guesses = readings([70.0] * 24, quality="estimated")
    assert values_of([*readings([50.0] * 24), *guesses]) == [50.0] * 24


def test_a_short_gap_is_bridged_by_a_line():
    known = without(readings([*range(24), *range(24)]), 30, 31, 32)
    assert values_of(known) == [*range(24), *range(24)]


def test_a_long_gap_takes_the_same_hours_of_the_day_before():
    first, second = np.arange(24.0), np.arange(24.0) + 100
    known = without(readings([*first, *second]), *range(30, 36))
    assert values_of(known) == [*first, *second[:6], *first[6:12], *second[12:]]


def test_a_long_gap_on_the_first_day_takes_the_same_hours_of_the_day_after():
    first, second = np.arange(24.0), np.arange(24.0) + 100
    known = without(readings([*first, *second]), *range(6, 12))
    assert values_of(known) == [*first[:6], *second[6:12], *first[12:], *second]


def test_only_days_of_which_three_quarters_are_known_are_kept():
    # Ten days, of which nothing is known on the fourth to sixth: from the end, four days of four
    # are known, 7 of 10 is too few, and so are 6 of 9; 4 of 5 is enough, 4 of 6 is not.
    known = without(readings(np.tile(np.arange(24.0), 10)), *range(72, 144))
    assert len(of(known).values) == 5 * 24


def test_days_before_the_first_reading_are_not_invented():
    assert len(of(readings([5.0] * 24 * 14)).values) == 24 * 14
    assert len(of(readings([5.0] * 47)).values) == 24


def test_nothing_older_than_eight_weeks_is_kept():
    assert len(of(readings([5.0] * 24 * 70)).values) == 24 * 56


def test_the_history_ends_where_the_readings_do():
    known = readings([5.0] * 30)
    late = of(known, now=NOW + 7.5 * HOUR)
    assert late.end_hour == of(known).end_hour


def test_other_zones_are_not_looked_at():
    assert history_of("FR", readings([5.0] * 30), now=NOW) is None


def test_a_figure_far_outside_all_others_is_bounded():
    values = np.tile([100.0, 200.0], 24 * 7)
    values[7] = 2000
    # The quantiles are 100 and 200, so nothing above 200 + 100 is believed.
    assert max(values_of(readings(values))) == pytest.approx(300)


def test_hours_of_the_weekend_are_known():
    # NOW is Wednesday 1 July 2026, 00:00: the four days before begin on Saturday the 27th.
    weekend = history(np.zeros(96)).weekend(96)
    assert weekend.tolist() == [True] * 48 + [False] * 120 + [True] * 24


def test_the_present_time_of_day_is_nearest_and_the_opposite_one_farthest():
    near = history(np.zeros(48)).nearness
    assert near[[47, 23]] == pytest.approx([1, 1])
    assert near[[35, 11]] == pytest.approx([np.exp(-2)] * 2)
