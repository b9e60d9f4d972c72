"""What is promised of every forecast, whatever the history."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SignalError
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.forecast import Forecast, forecast
from scheduler.carbon.reading import Reading
from scheduler.carbon.signals.weather import Floats
from tests.unit.scheduler.carbon.forecast.grids import (
    HOUR,
    NOW,
    forecast_of,
    reading,
    readings,
    solar_grid,
)

HALF = timedelta(minutes=30)


@dataclass(frozen=True)
class Zone:
    """An invented zone: steady, wild, empty, with outliers or with a shape."""

    kind: str
    hours: int
    seed: int
    missing: float = 0.0

    def values(self) -> Floats:
        rng = np.random.default_rng(self.seed)
        drawn = rng.random(self.hours)
        values: Floats = {
            "constant": np.full(self.hours, 42.0),
            "zero": np.zeros(self.hours),
            "noise": 2000 * drawn,
            "outliers": np.where(drawn < 0.01, 2000, 50 + rng.normal(size=self.hours)),
            "solar": solar_grid(self.hours, seed=self.seed),
            "mostly zero": np.where(drawn < 0.2, rng.uniform(0, 900, self.hours), 0),
        }[self.kind]
        return values

    def readings(self) -> list[Reading]:
        known = np.random.default_rng(self.seed + 1).random(self.hours) >= self.missing
        return [r for r, keep in zip(readings(self.values()), known, strict=True) if keep]


KINDS = ["constant", "zero", "noise", "outliers", "solar", "mostly zero"]
ZONES = st.builds(Zone, st.sampled_from(KINDS), st.integers(24, 12 * 24), st.integers(0, 2**32 - 1))
ZONES_WITH_GAPS = st.builds(replace, ZONES, missing=st.sampled_from([0.0, 0.05, 0.14]))


def medians(made: Forecast) -> list[float]:
    return [r.gco2eq_per_kwh for r in made.readings]


@given(zone=ZONES_WITH_GAPS, minutes=st.integers(0, 600), hours=st.integers(1, 100))
@settings(max_examples=60)
def test_every_forecast_is_hourly_gapless_bounded_and_ordered(zone, minutes, hours):
    past = zone.readings()
    now = NOW + timedelta(minutes=minutes)
    made = forecast("DE", past, now=now, hours=hours)
    if made is None:
        assert len(past) < 48  # gaps may leave too little of the last day
        return
    assert len(made.readings) == hours
    assert made.readings[0].start <= now < made.readings[0].end
    for earlier, later in zip(made.readings, made.readings[1:], strict=False):
        assert earlier.end == later.start
    for r in made.readings:
        assert r.end - r.start == HOUR
        assert 0 <= r.gco2eq_per_kwh <= 2000
        low, high = r.low_gco2eq_per_kwh, r.high_gco2eq_per_kwh
        assert (low is None) == (high is None)
        if low is not None and high is not None:
            assert 0 <= low <= r.gco2eq_per_kwh <= high <= 2000
        assert (r.quality, r.issued_at, r.method) == ("forecast", now, made.method)
        assert (r.zone, r.source, r.family) == ("DE", "grid", FLOW_TRACED)


@given(past=ZONES, future=ZONES)
@settings(max_examples=25)
def test_what_happens_later_changes_nothing(past, future):
    now = NOW + HALF  # the hour that began before `now` ends after it
    later = readings(future.values(), end=NOW + future.hours * HOUR)
    known = past.readings()
    assert forecast_of([*known, *later], now=now) == forecast_of(known, now=now)


@given(zone=ZONES, factor=st.sampled_from([0.125, 0.5]))
@settings(max_examples=25)
def test_a_grid_half_as_dirty_is_forecast_half_as_dirty(zone, factor):
    whole = forecast_of(zone.readings(), now=NOW)
    part = forecast_of(readings(zone.values() * factor), now=NOW)
    assert part.method == whole.method
    for figure in ("gco2eq_per_kwh", "low_gco2eq_per_kwh", "high_gco2eq_per_kwh"):
        expected = [getattr(r, figure) for r in whole.readings]
        found = [getattr(r, figure) for r in part.readings]
        # What exceeds the bound of all grids was cut from the whole, but not from the part.
        for one, other in zip(expected, found, strict=True):
            if one is not None and one < 2000:
                assert other == pytest.approx(one * factor, abs=0.011)


@given(zone=ZONES_WITH_GAPS, seed=st.integers(0, 100))
@settings(max_examples=15)
def test_the_order_of_readings_changes_nothing(zone, seed):
    past = zone.readings()
    order = np.random.default_rng(seed).permutation(len(past))
    assert forecast("DE", [past[i] for i in order], now=NOW) == forecast("DE", past, now=NOW)


def test_a_day_of_history_gives_the_same_hours_tomorrow():
    made = forecast_of(readings(range(100, 124)), now=NOW)
    assert made.method == "persistence"
    assert made.backtest is None
    assert medians(made) == [*range(100, 124), *range(100, 124)]
    assert {r.low_gco2eq_per_kwh for r in made.readings} == {None}


def test_less_than_a_day_gives_no_forecast():
    assert forecast("DE", readings(range(100, 123)), now=NOW) is None
    assert forecast("DE", [], now=NOW) is None


def test_a_history_that_ended_long_ago_gives_no_forecast():
    past = readings(solar_grid(200))
    assert forecast("DE", past, now=NOW + timedelta(hours=24, minutes=59)) is not None
    assert forecast("DE", past, now=NOW + timedelta(hours=25)) is None


def test_a_forecast_bridges_the_hours_that_are_not_published_yet():
    # The last known hour is 23:00 with 123; at 02:30 the first hour forecast is that from 02:00.
    made = forecast_of(readings(range(100, 124)), now=NOW + 2.5 * HOUR)
    assert made.readings[0].start == NOW + 2 * HOUR
    assert medians(made)[:3] == [102, 103, 104]


def test_readings_still_running_stale_or_forecast_are_not_learnt_from():
    known = readings(range(100, 124))
    told = reading(NOW, 900)
    stale = reading(NOW - HOUR, 900, quality="stale")
    foretold = reading(NOW - HOUR, 900, quality="forecast")
    made = forecast_of([*known, told, stale, foretold], now=NOW + HALF)
    assert medians(made) == medians(forecast_of(known, now=NOW + HALF))


def test_of_several_sources_the_one_that_says_most_is_heard():
    known = readings(range(100, 124))
    fallback = readings([900] * 5, source="static")
    made = forecast_of([*known, *fallback], now=NOW)
    assert made == forecast_of(known, now=NOW)


@pytest.mark.parametrize("value", [0.0, 12.5])
def test_a_grid_that_never_changes_is_forecast_to_stay_with_certainty(value):
    made = forecast_of(readings([value] * 24 * 20), now=NOW)
    assert made.method == "persistence"  # no other is better
    assert made.backtest
    assert made.backtest.mae_gco2eq_per_kwh == 0
    for r in made.readings:
        assert r.low_gco2eq_per_kwh == r.gco2eq_per_kwh == r.high_gco2eq_per_kwh == value


def test_one_absurd_hour_hardly_moves_a_forecast():
    values = solar_grid(24 * 28)
    spoilt = values.copy()
    spoilt[-5] = 2000
    calm = forecast_of(readings(values), now=NOW)
    moved = forecast_of(readings(spoilt), now=NOW)
    assert np.abs(np.subtract(medians(calm), medians(moved))).mean() < 30


def test_half_hourly_history_is_forecast_like_the_hourly_means():
    values = solar_grid(24 * 10)
    start = NOW - len(values) * HOUR
    halves = [
        reading(start + i * HOUR + late * HALF, value + 10 * (1 if late else -1), slot=HALF)
        for i, value in enumerate(values)
        for late in (False, True)
    ]
    assert medians(forecast_of(halves, now=NOW)) == pytest.approx(
        medians(forecast_of(readings(values), now=NOW)), abs=0.011
    )


def test_a_naive_time_is_refused():
    with pytest.raises(SignalError, match="no time zone"):
        forecast("DE", [], now=datetime(2026, 7, 1))  # noqa: DTZ001


def test_no_hours_are_refused():
    with pytest.raises(ValueError, match="at least one hour"):
        forecast("DE", [], now=NOW, hours=0)
