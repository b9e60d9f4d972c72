"""A zone's series keeps five weeks, in order, and says what holds now."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from scheduler.carbon.almanac import KEPT
from scheduler.series import Series
from tests.unit.scheduler.story import HOUR, NOON, reading


def test_a_reading_that_is_told_again_for_its_slot_replaces_the_one_before():
    series = Series()
    series.tell(reading("FR", 50.0, NOON, quality="estimated"), NOON)
    series.tell(reading("FR", 52.0, NOON), NOON + HOUR / 2)
    assert [point[1] and point[1].gco2eq_per_kwh for point in series.points] == [52.0]


def test_nothing_told_is_unknown():
    assert Series().latest is None


def test_what_is_older_than_five_weeks_is_forgotten():
    series = Series()
    for day in range(60):
        at = NOON + timedelta(days=day)
        series.tell(reading("FR", float(day), at), at)
    assert len(series.points) == 36
    assert series.latest is not None
    assert series.latest.gco2eq_per_kwh == 59.0


@given(told=st.lists(st.tuples(st.integers(0, 40 * 24), st.none() | st.integers(0, 900))))
def test_points_are_in_order_and_within_five_weeks(told):
    series = Series()
    for hour, value in sorted(told, key=lambda pair: pair[0]):
        at = NOON + hour * HOUR
        series.tell(None if value is None else reading("FR", float(value), at), at)
    times = [since for since, _ in series.points]
    assert times == sorted(set(times))
    assert not times or times[-1] - times[0] <= KEPT
