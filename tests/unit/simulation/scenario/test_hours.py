from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.scenario.hours import Hours, by_chance, daily

START = datetime(2022, 5, 2, 1, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_site_without_hours_is_always_there():
    assert Hours().is_on(START)
    assert Hours().next_switch(START) is None
    assert Hours().next_on(START) == START


def test_a_window_over_midnight_is_kept_every_day():
    hours = daily(("22-06",), START)
    there = [hours.is_on(START + n * HOUR) for n in range(48)]
    # From 01:30 on: five half past hours until 05:30, then away until 22:30.
    assert there == ([True] * 5 + [False] * 16 + [True] * 3) * 2
    assert hours.next_switch(START) == datetime(2022, 5, 2, 6, tzinfo=UTC)
    assert hours.next_on(START + 8 * HOUR) == datetime(2022, 5, 2, 22, tzinfo=UTC)


def test_a_window_of_the_whole_day_never_ends():
    assert daily(("00-24",), START).next_switch(START) is None


@given(at=st.integers(0, 5000), seed=st.integers(0, 10))
def test_it_changes_exactly_at_its_switches(at, seed):
    hours = by_chance(3, 5, start=START, rng=Random(seed))
    time = START + timedelta(minutes=at)
    following = hours.next_switch(time)
    assert following is not None
    assert hours.is_on(following) != hours.is_on(time)
    assert hours.is_on(following - timedelta(microseconds=1)) == hours.is_on(time)


def test_by_chance_it_is_there_as_much_as_asked():
    hours = by_chance(2, 6, start=START, rng=Random(0))
    there = sum(hours.is_on(START + n * HOUR) for n in range(20_000))
    assert there / 20_000 == pytest.approx(0.25, abs=0.02)
