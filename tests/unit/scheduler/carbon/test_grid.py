"""The grid answers what a plan asks: now, the last week, and means; unknown is an answer."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.carbon.grid import Grid
from scheduler.carbon.signals.static import Static
from scheduler.carbon.signals.trace import Trace
from scheduler.carbon.signals.typical_day import TypicalDay

START = datetime(2022, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def traced(folder, hours: dict[int, float]) -> Grid:
    """Return the grid of a trace with one zone and these hours after `START`."""
    path = folder / "grid.csv"
    lines = [f"{(START + hour * HOUR).isoformat()},{value}" for hour, value in hours.items()]
    path.write_text("\n".join(["datetime,FR", *lines]))
    return Grid(Trace(path))


def test_a_zone_has_the_reading_that_holds_and_the_week_before():
    grid = Grid(TypicalDay())
    found = grid.zone("DE", START + HOUR / 2)
    assert found.reading is not None
    assert found.reading.start == START
    # From half past midnight a week ago: 169 hours overlap 7 days, the one that holds included.
    assert len(found.history) == 169
    assert found.history[-1] == found.reading
    assert found.fault is None


def test_an_unknown_zone_is_unknown_and_says_why():
    found = Grid(Static({"FR": 56.0})).zone("FF", START)
    assert found.reading is None
    assert found.history == ()
    assert "knows no zone 'FF'" in str(found.fault)


def test_an_hour_without_a_value_is_unknown_whatever_came_before(tmp_path):
    found = traced(tmp_path, dict.fromkeys(range(48), 50.0)).zone("FR", START + 48 * HOUR)
    assert found.reading is None
    assert found.history == ()


def test_a_gap_hides_itself_and_not_the_week(tmp_path):
    hours = {hour: float(hour) for hour in range(200) if hour != 100}
    found = traced(tmp_path, hours).zone("FR", START + 190.5 * HOUR)
    assert found.reading is not None
    # 190 - 168 = 22: the hour in which the week began is in it, too.
    kept = [*range(22, 100), *range(101, 191)]
    assert [reading.gco2eq_per_kwh for reading in found.history] == kept


def test_a_trace_that_began_two_days_ago_has_a_history_of_two_days(tmp_path):
    grid = traced(tmp_path, dict.fromkeys(range(60), 50.0))
    # Hours 0 to 51 are over, and the one that begins is known.
    assert len(grid.zone("FR", START + 52 * HOUR).history) == 53
    grid.forget()
    assert len(grid.zone("FR", START + 52 * HOUR + HOUR / 2).history) == 53


def test_no_reading_is_in_the_history_twice(tmp_path):
    hours = {hour: float(hour) for hour in range(200) if hour not in (40, 150)}
    history = traced(tmp_path, hours).zone("FR", START + 190.5 * HOUR).history
    starts = [reading.start for reading in history]
    assert starts == sorted(set(starts))


def test_a_gap_is_asked_for_again_when_the_hour_has_passed(tmp_path):
    grid = traced(tmp_path, {0: 50.0, 2: 70.0})
    values = [grid.zone("FR", START + n * HOUR).reading for n in range(3)]
    assert [reading and reading.gco2eq_per_kwh for reading in values] == [50.0, None, 70.0]


def test_the_mean_weighs_hours_by_how_much_of_them_is_inside(tmp_path):
    grid = traced(tmp_path, {0: 100.0, 1: 200.0, 2: 300.0})
    # Half an hour at 100, a whole one at 200: (50 + 200) / 1.5.
    mean = grid.comparable("FR", START + HOUR / 2, START + 2 * HOUR)
    assert mean == pytest.approx(250 / 1.5)
    assert grid.comparable("FR", START + HOUR, START + HOUR) == 200.0


def test_the_mean_over_a_gap_is_unknown(tmp_path):
    grid = traced(tmp_path, {0: 100.0, 2: 300.0})
    assert grid.comparable("FR", START, START + 3 * HOUR) is None
    assert grid.comparable("DE", START, START + HOUR) is None
