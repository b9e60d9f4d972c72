"""Yearly means are flat and plausible."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import SettingError
from common.settings import Settings
from scheduler.carbon.local_signal import make_signal
from scheduler.carbon.signal import reading_at
from scheduler.carbon.signals.static import Static

JULY = datetime(2026, 7, 1, tzinfo=UTC)


def test_values_of_the_settings_replace_the_shipped_ones():
    signal = make_signal(Settings(signal="static", static_gco2eq_per_kwh={"XX": 12.5}))
    assert signal.zones() == ("XX",)
    assert reading_at(signal, "XX", JULY).gco2eq_per_kwh == 12.5


def test_shipped_values_are_the_means_of_2022():
    signal = make_signal(Settings(signal="static"))
    assert len(signal.zones()) == 29
    assert reading_at(signal, "FR", JULY).gco2eq_per_kwh == 99.4
    assert reading_at(signal, "PL", JULY).gco2eq_per_kwh == 819.2


def test_every_hour_is_alike():
    week = Static({"FR": 56.0}).readings("FR", JULY, JULY + timedelta(days=7))
    assert len(week) == 168
    assert {r.gco2eq_per_kwh for r in week} == {56.0}


def test_an_empty_table_is_refused():
    with pytest.raises(SettingError, match="given no zone"):
        Static({})


@pytest.mark.parametrize("value", [-1.0, 5000.0, math.nan])
def test_an_implausible_value_is_refused_when_the_signal_is_made(value):
    with pytest.raises(SettingError, match="for FR, which"):
        Static({"FR": value})
