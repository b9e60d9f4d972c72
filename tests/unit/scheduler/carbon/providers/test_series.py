"""Rows become readings that are checked, in order, and gapless where that is promised."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from structlog.testing import capture_logs

from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.providers.series import (
    Utc,
    chunks,
    from_now,
    half_hours,
    in_order,
    readings_of,
)
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import slot_start

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HALF_HOUR = HOUR / 2


def reading(start: float, value: float = 100.0, hours: float = 1, quality="forecast") -> Reading:
    begin = NOON + HOUR * start
    return Reading("DE", begin, begin + HOUR * hours, value, "fake", FLOW_TRACED, quality)


anything = st.lists(
    st.builds(
        reading,
        st.integers(-40, 40).map(lambda number: number / 4),
        st.floats(0, 2000),
        st.sampled_from([0.25, 0.5, 1]),
        st.sampled_from(["measured", "estimated", "forecast"]),
    ),
    max_size=40,
)


@given(anything)
def test_readings_in_order_never_overlap_and_none_is_made_up(readings: list[Reading]) -> None:
    found = in_order(readings)
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))
    assert {one.start for one in found} == {one.start for one in readings}
    assert in_order(reversed(found)) == found


@given(anything)
def test_a_forecast_from_now_has_no_gap_and_nothing_that_is_over(readings: list[Reading]) -> None:
    found = from_now(in_order(readings), NOON)
    assert all(one.end == two.start for one, two in itertools.pairwise(found))
    assert all(one.end > NOON for one in found)


@given(anything)
def test_what_is_filled_in_lies_between_its_neighbours(readings: list[Reading]) -> None:
    found = from_now(in_order(readings), NOON)
    known = [one for one in found if one.method != "interpolated"]
    for one in found:
        before = [k.gco2eq_per_kwh for k in known if k.start <= one.start][-1:]
        after = [k.gco2eq_per_kwh for k in known if k.start >= one.start][:1]
        assert min(before + after) - 1e-9 <= one.gco2eq_per_kwh <= max(before + after) + 1e-9


def test_of_two_figures_for_one_time_the_surer_counts_and_else_the_later() -> None:
    sure, late = reading(0, 1, quality="measured"), reading(1, 4)
    found = in_order([reading(0, 2), sure, reading(0, 3), reading(1, 5), late])
    assert found == [sure, late]


def test_two_missing_hours_are_filled_and_three_end_the_forecast() -> None:
    found = from_now([reading(0, 100), reading(3, 160), reading(7, 100)], NOON)
    # From 100 to 160 in three steps: 120 and 140 between.
    assert [one.gco2eq_per_kwh for one in found] == [100, 120, 140, 160]
    assert [one.method for one in found] == ["", "interpolated", "interpolated", ""]


def test_a_forecast_that_begins_too_late_is_none() -> None:
    assert from_now([reading(3), reading(4)], NOON) == []
    assert from_now([reading(2)], NOON) == [reading(2)]


def test_half_hours_are_means_of_what_covers_them_whole() -> None:
    # 100 for 15 minutes and 200 for 15; then 300 for 15 only, which is left out.
    quarters = [reading(0, 100, 0.25), reading(0.25, 200, 0.25), reading(0.5, 300, 0.25)]
    (mean,) = half_hours(quarters, NOON)
    assert (mean.start, mean.end, mean.gco2eq_per_kwh) == (NOON, NOON + HALF_HOUR, 150)


def test_what_is_before_the_first_half_hour_stays_as_fine_as_it_is() -> None:
    quarters = [reading(number / 4, 100, 0.25) for number in range(4)]
    found = half_hours(quarters, NOON + HALF_HOUR)
    assert found[:2] == quarters[:2]
    assert [(one.start, one.end) for one in found[2:]] == [(NOON + HALF_HOUR, NOON + HOUR)]


def test_rows_that_make_no_sense_are_left_out_and_logged_once() -> None:
    def read(row: object) -> Reading | None:
        return reading(float(str(row)), 100 if row != 2 else 9999)

    with capture_logs() as logs:
        found = readings_of([0, 1, "x", 2, 3], read, source="fake", zone="DE")
    assert [one.start for one in found] == [NOON, NOON + HOUR, NOON + 3 * HOUR]
    assert [(line["event"], line["count"]) for line in logs] == [("reading.refused", 2)]


@pytest.mark.parametrize("text", ["2026-03-01T12:00Z", "2026-03-01T13:00:00+01:00"])
def test_times_of_any_zone_become_utc(text: str) -> None:
    time = TypeAdapter(Utc).validate_python(text)
    assert (time, time.tzinfo) == (NOON, UTC)


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Utc).validate_python("2026-03-01T12:00")


@given(st.integers(0, 100), st.integers(1, 30))
def test_parts_cover_a_span_once(hours: int, longest: int) -> None:
    parts = list(chunks(NOON, NOON + HOUR * hours, HOUR * longest))
    assert sum((end - start for start, end in parts), timedelta()) == HOUR * hours
    assert all(one[1] == two[0] for one, two in itertools.pairwise(parts))
    assert all(timedelta() < end - start <= HOUR * longest for start, end in parts)


def test_a_slot_begins_where_utc_says() -> None:
    assert slot_start(NOON + timedelta(minutes=44), HALF_HOUR) == NOON + HALF_HOUR
    assert slot_start(NOON) == NOON
