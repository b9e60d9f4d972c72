"""A reading refuses what it cannot mean, and a mean refuses what it cannot cover."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SignalError
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.mean import Mean, mean_over
from scheduler.carbon.reading import Reading

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OTHER = Family("marginal", "direct", "production")


def reading(start=NOON, value=100.0, **changes) -> Reading:
    fields: dict[str, Any] = {
        "zone": "FR",
        "start": start,
        "end": start + HOUR,
        "gco2eq_per_kwh": value,
        "source": "test",
        "family": FLOW_TRACED,
        "quality": "measured",
    }
    return Reading(**(fields | changes))


def test_naive_times_are_refused():
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(SignalError, match="no time zone"):
        reading(naive)
    with pytest.raises(SignalError, match="no time zone"):
        reading(issued_at=naive)


@pytest.mark.parametrize("end", [NOON, NOON - HOUR])
def test_empty_interval_is_refused(end):
    with pytest.raises(SignalError, match="not after its start"):
        reading(end=end)


@pytest.mark.parametrize("value", [-0.1, 2000.1, math.nan, math.inf])
def test_implausible_intensity_is_refused(value):
    with pytest.raises(SignalError, match="so the reading is refused"):
        reading(value=value)


@pytest.mark.parametrize("value", [0.0, 2000.0])
def test_extreme_but_possible_intensity_is_taken(value):
    assert reading(value=value).gco2eq_per_kwh == value


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"quality": "forecast", "issued_at": NOON, "method": "persistence"},
        {"low_gco2eq_per_kwh": 80.0, "high_gco2eq_per_kwh": 120.0, "low_carbon_share": 0.4},
        {"family": Family("marginal", "direct", "production"), "price_eur_per_mwh": -3.0},
    ],
)
def test_a_reading_survives_its_way_through_json(change):
    told = reading(**change)
    assert json.loads(json.dumps(told.to_dict()))["gco2eq_per_kwh"] == told.gco2eq_per_kwh
    assert Reading.from_record("FR", told.to_record()) == told


def test_a_mean_names_its_least_sure_figure_and_all_sources():
    hours = [reading(NOON), reading(NOON + HOUR, 400.0, quality="stale", source="other")]
    mean = mean_over(hours, NOON, NOON + 2 * HOUR)
    assert mean == Mean(250.0, FLOW_TRACED, "stale", ("other", "test"), None)
    assert Mean.from_record(mean.to_record()) == mean


def test_mean_is_weighted_by_time():
    # 30 min at 100 and 15 min at 400: (30 * 100 + 15 * 400) / 45 = 200.
    hours = [reading(NOON + HOUR, 400.0), reading(NOON, 100.0)]
    start, end = NOON + timedelta(minutes=30), NOON + timedelta(minutes=75)
    assert mean_over(hours, start, end).gco2eq_per_kwh == pytest.approx(200.0)


def test_mean_at_an_instant_is_the_reading_that_covers_it():
    hours = [reading(NOON, 100.0), reading(NOON + HOUR, 400.0)]
    assert mean_over(hours, NOON + HOUR, NOON + HOUR).gco2eq_per_kwh == 400.0
    assert mean_over(hours, NOON, NOON).gco2eq_per_kwh == 100.0


@pytest.mark.parametrize("end", [NOON + HOUR, NOON + 3 * HOUR, NOON + 4 * HOUR])
def test_mean_over_a_time_not_covered_is_refused(end):
    hours = [reading(NOON), reading(NOON + 2 * HOUR)]
    with pytest.raises(SignalError, match="No reading covers"):
        mean_over(hours, NOON - HOUR if end == NOON + HOUR else NOON, end)


def test_mean_of_nothing_is_unknown_not_zero():
    with pytest.raises(SignalError, match="unknown"):
        mean_over([], NOON, NOON + HOUR)


def test_mean_never_mixes_what_is_not_comparable():
    for change in ({"family": OTHER}, {"zone": "DE"}):
        hours = [reading(NOON), reading(NOON + HOUR, **change)]
        with pytest.raises(SignalError, match="would mean nothing"):
            mean_over(hours, NOON, NOON + 2 * HOUR)


def test_mean_does_not_look_at_readings_outside_the_interval():
    hours = [reading(NOON, 100.0), reading(NOON + HOUR, 400.0, family=OTHER)]
    assert mean_over(hours, NOON, NOON + HOUR).gco2eq_per_kwh == 100.0


def test_mean_of_a_reversed_or_naive_interval_is_refused():
    with pytest.raises(SignalError, match="ends before it starts"):
        mean_over([reading()], NOON + HOUR, NOON)
    with pytest.raises(SignalError, match="no time zone"):
        mean_over([reading()], NOON.replace(tzinfo=None), NOON + HOUR)


@given(
    values=st.lists(st.floats(0, 2000), min_size=1, max_size=12),
    bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_mean_lies_between_the_cleanest_and_the_dirtiest_hour(values, bounds):
    hours = [reading(NOON + i * HOUR, value) for i, value in enumerate(values)]
    span = len(values) * HOUR - timedelta.resolution
    start, end = (NOON + share * span for share in sorted(bounds))
    mean = mean_over(hours, start, end).gco2eq_per_kwh
    assert min(values) - 1e-6 <= mean <= max(values) + 1e-6
