"""The typical day follows its formula, and every process sees the same grid."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.carbon.signal import reading_at
from scheduler.carbon.signals import weather as drawn
from scheduler.carbon.signals.day_shape import DayShape, typical_days
from scheduler.carbon.signals.typical_day import TypicalDay
from scheduler.carbon.signals.typical_hours import _shape
from scheduler.carbon.signals.weather import weather

JULY = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
REPOSITORY = Path(__file__).parents[5]

FLAT = DayShape(**{field.name: 0.0 for field in fields(DayShape)})
YEAR_END = 2 * np.pi  # d = 365: cos s = 1, sin s = 0
QUARTER = np.pi / 2  # cos s = 0, sin s = 1


def test_a_day_without_swings_is_flat():
    assert _shape(FLAT, 1.0) == pytest.approx(np.ones(24))


def test_seasons_raise_and_lower_the_whole_day():
    figures = replace(FLAT, season_cos=0.2, season_sin=-0.1)
    assert _shape(figures, YEAR_END) == pytest.approx(np.full(24, 1.2))
    assert _shape(figures, QUARTER) == pytest.approx(np.full(24, 0.9))


def test_an_hour_is_taken_at_its_start():
    # w = 2 pi * 1 / 24 = 15 degrees: cos 15 = 0.965926, sin 15 = 0.258819,
    # cos 30 = 0.866025, sin 30 = 0.5. At midnight w = 0, so both cosines are 1, both sines 0.
    day = replace(FLAT, day_cos=0.1, day_sin=0.2)
    assert _shape(day, 0.3)[:2] == pytest.approx([1.1, 1 + 0.0965926 + 0.0517638], abs=1e-6)
    halfday = replace(FLAT, halfday_cos=0.1, halfday_sin=0.2)
    assert _shape(halfday, 0.3)[:2] == pytest.approx([1.1, 1 + 0.0866025 + 0.1], abs=1e-6)


def test_the_day_changes_with_the_season():
    figures = replace(
        FLAT,
        season_x_day_cos=0.1,
        season_x_day_sin=0.2,
        season_x_halfday_cos=0.3,
        season_x_halfday_sin=0.4,
    )
    # At 1 h, with the cosines and sines above: 0.1 * 0.965926 + 0.2 * 0.258819
    # + 0.3 * 0.866025 + 0.4 * 0.5.
    worked = 0.0965926 + 0.0517638 + 0.2598076 + 0.2
    assert _shape(figures, YEAR_END)[1] == pytest.approx(1 + worked, abs=1e-6)
    assert _shape(figures, QUARTER)[1] == pytest.approx(1)


def test_midsummer_noon_is_the_cleanest_time_in_california():
    years = [datetime(year, 7, 1, tzinfo=UTC) for year in range(2000, 2020)]
    noon = [reading_at(TypicalDay(), "US-CAL-CISO", d + timedelta(hours=20)) for d in years]
    night = [reading_at(TypicalDay(), "US-CAL-CISO", d + timedelta(hours=6)) for d in years]
    assert np.mean([r.gco2eq_per_kwh for r in noon]) < np.mean([r.gco2eq_per_kwh for r in night])


def test_no_hour_is_cleaner_than_a_twentieth_of_the_mean():
    # NO-NO2's weather has a standard deviation of 0.77 of the mean, so it is clipped often.
    year = TypicalDay().readings("NO-NO2", JULY, JULY + 365 * DAY)
    assert min(r.gco2eq_per_kwh for r in year) == 2.65  # 0.05 * 53.0


def test_the_table_has_29_zones_with_plausible_figures():
    assert len(typical_days()) == 29
    for figures in typical_days().values():
        assert 0 < figures.mean_gco2eq_per_kwh < 1000
        assert 0 < figures.residual_ar1_per_hour < 1


@given(offset=st.integers(-3000, 3000), hours=st.integers(1, 60))
def test_a_reading_does_not_depend_on_what_else_is_asked_for(offset, hours):
    start = JULY + timedelta(hours=offset)
    many = TypicalDay().readings("DE", start - 2 * DAY, start + timedelta(hours=hours))
    assert many[48:] == TypicalDay().readings("DE", start, start + timedelta(hours=hours))


def test_a_reading_is_the_mean_times_shape_and_weather():
    # Germany, 1 July, midnight: the 182nd day, so s = 2 pi * 182 / 365 = 179.507 degrees with
    # cos s = -0.999963 and sin s = 0.008607; w = 0, so both cosines are 1 and both sines 0.
    # Season: 1 - 0.999963 * 0.008 - 0.008607 * 0.052 = 0.991553. Day: 0.1203 - 0.0537 = 0.0666.
    # Both: -0.999963 * (-0.1276 + 0.0169) = 0.110696. Together 1.168849, and the weather on top.
    hour = int(JULY.timestamp()) // 3600
    drawn_share = weather("DE", hour, 1, std=0.2457, phi=0.9922)[0]
    worked = 481.5 * (1.168849 + drawn_share)
    assert reading_at(TypicalDay(), "DE", JULY).gco2eq_per_kwh == pytest.approx(worked, abs=0.006)


def test_the_grid_is_the_same_in_every_release():
    # Pinned, not worked out: a changed value would change the past of every demonstration.
    readings = TypicalDay().readings("DE", JULY, JULY + timedelta(hours=3))
    assert [r.gco2eq_per_kwh for r in readings] == [698.41, 705.42, 696.67]


def test_another_process_sees_the_same_grid():
    program = (
        "from datetime import *; from scheduler.carbon.signals.typical_day import TypicalDay;"
        "t = datetime(2026, 7, 1, 5, tzinfo=UTC);"
        "print([r.gco2eq_per_kwh for r in TypicalDay().readings('DE', t, t + timedelta(hours=9))])"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(REPOSITORY)}
    other = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    start = JULY + timedelta(hours=5)
    here = TypicalDay().readings("DE", start, start + timedelta(hours=9))
    assert other.stdout.strip() == str([r.gco2eq_per_kwh for r in here])


def test_the_hash_is_splitmix64():
    # The first three outputs of the published reference implementation with seed 0.
    published = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    counter = np.array([1, 2, 3], dtype=np.uint64)
    expected = [((x >> 11) + 1) * 2.0**-53 for x in published]
    assert drawn._uniform(np.uint64(0), counter).tolist() == expected


def test_weather_has_the_spread_and_memory_it_was_asked_for():
    x = weather("DE", 400_000, 200_000, std=0.25, phi=0.9)
    assert x.mean() == pytest.approx(0, abs=0.01)
    assert x.std() == pytest.approx(0.25, rel=0.03)
    assert np.corrcoef(x[:-1], x[1:])[0, 1] == pytest.approx(0.9, abs=0.01)
    assert np.corrcoef(x[:-24], x[24:])[0, 1] == pytest.approx(0.9**24, abs=0.03)


def test_zones_have_weather_of_their_own():
    x, y = (weather(zone, 0, 50_000, std=1.0, phi=0.5) for zone in ("DE", "FR"))
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.03


def test_weather_before_1970_joins_the_weather_after():
    whole = weather("DE", -24, 48, std=0.25, phi=0.9)
    halves = [weather("DE", first, 24, std=0.25, phi=0.9) for first in (-24, 0)]
    assert np.concatenate(halves) == pytest.approx(whole)
