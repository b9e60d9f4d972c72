"""A series keeps what was told of a zone, and what was found out later of the hours between."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading
from scheduler.carbon.zone_history import KEPT
from scheduler.federation.zone_readings import ZoneReadings

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(hour: float, value: float = 100.0) -> Reading:
    start = NOON + hour * HOUR
    return Reading("FR", start, start + HOUR, value, "test", FLOW_TRACED, "measured")


def told(*hours: int | None) -> ZoneReadings:
    """Return a series that was told of these hours as they came; `None` is an unknown one."""
    series = ZoneReadings()
    for number, hour in enumerate(hours):
        reading = None if hour is None else at(hour)
        series.tell(reading, NOON + number * HOUR if hour is None else NOON + hour * HOUR)
    return series


def test_what_was_told_comes_back_in_order():
    assert told(0, 1, 3).readings() == [at(0), at(1), at(3)]


def test_a_surer_figure_of_the_same_hour_replaces_the_first():
    series = told(0)
    series.tell(at(0, 120.0), NOON + HOUR / 2)
    assert series.readings() == [at(0, 120.0)]


def test_an_hour_that_nobody_watched_is_lacking_until_it_is_recalled():
    series = told(0, 1, 5)
    assert series.lacks(at(3))
    assert not series.lacks(at(1))
    assert not series.lacks(at(0.5))
    series.recall(at(3))
    assert not series.lacks(at(3))
    assert series.readings() == [at(0), at(1), at(3), at(5)]


def test_an_hour_told_as_unknown_is_lacking_and_what_is_recalled_takes_its_place():
    series = told(0, None, 3)
    assert series.lacks(at(1))
    series.recall(at(1))
    assert series.readings() == [at(0), at(1), at(3)]


def test_what_was_told_is_never_replaced_by_what_is_recalled():
    series = told(0, 1)
    series.recall(at(1, 999.0))
    assert series.readings() == [at(0), at(1)]


def test_a_reading_ends_where_the_next_begins():
    series = told(0)
    series.tell(at(0.5, 50.0), NOON + HOUR / 2)
    assert series.readings() == [replace(at(0), end=NOON + HOUR / 2), at(0.5, 50.0)]


def test_what_is_older_than_five_weeks_is_forgotten():
    series = told(0)
    series.tell(at(KEPT / HOUR + 1), NOON + KEPT + HOUR)
    assert len(series.readings()) == 1


def test_nothing_told_is_unknown():
    assert ZoneReadings().latest is None


@given(told=st.lists(st.tuples(st.integers(0, 40 * 24), st.none() | st.integers(0, 900))))
def test_points_are_in_order_and_within_five_weeks(told):
    series = ZoneReadings()
    for hour, value in sorted(told, key=lambda pair: pair[0]):
        recorded_at = NOON + hour * HOUR
        series.tell(None if value is None else at(hour, float(value)), recorded_at)
    times = [since for since, _ in series.points()]
    assert times == sorted(set(times))
    assert not times or times[-1] - times[0] <= KEPT


@given(st.sets(st.integers(0, 40), min_size=1), st.lists(st.integers(0, 40)))
def test_recalling_fills_every_gap_once_and_keeps_order(hours, recalled):
    series = told(*sorted(hours))
    for hour in recalled:
        series.recall(at(hour))
    starts = [reading.start for reading in series.readings()]
    assert starts == [NOON + hour * HOUR for hour in sorted(hours | set(recalled))]
