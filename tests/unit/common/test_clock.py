"""The grid clock is the wall clock, shifted and sped up; it is always in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.clock import GridClock, wall_now

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)

times = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the time zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - hypothesis adds the time zone
    timezones=st.timezones() | st.just(UTC),
)
clocks = st.builds(GridClock, wall_start=times, grid_start=times, speed=st.floats(0.001, 10))


def test_by_default_both_clocks_agree():
    assert GridClock().at(NOON) == NOON
    assert abs(GridClock().now() - wall_now()) < timedelta(seconds=5)


def test_the_wall_clock_is_aware_and_in_utc():
    assert wall_now().utcoffset() == timedelta(0)


def test_an_hour_of_grid_time_may_pass_in_a_second():
    clock = GridClock(wall_start=NOON, grid_start=NOON - timedelta(days=9), speed=3600.0)
    assert clock.at(NOON + timedelta(seconds=2)) == NOON - timedelta(days=9) + timedelta(hours=2)
    assert clock.at(NOON - timedelta(seconds=1)) == NOON - timedelta(days=9) - timedelta(hours=1)
    assert clock.wall_seconds(timedelta(hours=1)) == 1.0


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="naive time"):
        GridClock().at(datetime(2026, 7, 8))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_a_clock_that_stands_runs_backwards_or_leaps_is_refused(speed):
    with pytest.raises(ValidationError):
        GridClock(speed=speed)


@given(clock=clocks, wall=times)
def test_the_grid_clock_shows_utc_wherever_it_was_set(clock, wall):
    shown = clock.at(wall)
    assert shown.tzinfo is UTC
    elsewhere = wall.astimezone(timezone(timedelta(hours=9)))
    assert clock.at(elsewhere) == shown


@given(clock=clocks, wall=times, seconds=st.integers(1, 10**6))
def test_later_is_later_on_both_clocks_by_the_speed(clock, wall, seconds):
    span = clock.at(wall.astimezone(UTC) + timedelta(seconds=seconds)) - clock.at(wall)
    assert span.total_seconds() == pytest.approx(seconds * clock.speed, abs=1e-5)
    assert clock.wall_seconds(span) == pytest.approx(seconds, abs=0.02)


@given(clock=clocks, wall=times)
def test_a_clock_shows_the_same_after_a_way_through_json(clock, wall):
    assert GridClock.model_validate_json(clock.model_dump_json()).at(wall) == clock.at(wall)
