"""Emissions are energy times intensity, and figures read well."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.units import (
    emitted_gco2eq,
    show_bytes,
    show_duration,
    show_energy,
    show_intensity,
    show_mass,
    show_share,
)


def test_half_a_kwh_at_200_g_emits_100_g():
    assert emitted_gco2eq(500.0, 200.0) == 100.0


def test_no_energy_and_no_intensity_emit_nothing():
    assert emitted_gco2eq(0.0, 800.0) == 0.0
    assert emitted_gco2eq(800.0, 0.0) == 0.0


@pytest.mark.parametrize("bad", [-0.001, math.nan, math.inf])
def test_negative_or_endless_figures_are_refused(bad):
    with pytest.raises(ValueError, match="energy_wh"):
        emitted_gco2eq(bad, 1.0)
    with pytest.raises(ValueError, match="intensity_gco2eq_per_kwh"):
        emitted_gco2eq(1.0, bad)


@pytest.mark.parametrize(
    ("gco2eq", "text"),
    [
        (0, "0 gCO2eq"),
        (2.1e-4, "210 ugCO2eq"),
        (0.0042, "4.2 mgCO2eq"),
        (0.9996, "1 gCO2eq"),
        (99.5, "100 gCO2eq"),
        (999.7, "1 kgCO2eq"),
        (1234, "1.2 kgCO2eq"),
        (-1234, "-1.2 kgCO2eq"),
        (5.6e6, "5.6 tCO2eq"),
        (7.8e9, "7,800 tCO2eq"),
        (1e-8, "0.01 ugCO2eq"),
    ],
)
def test_mass_takes_the_unit_that_reads_well(gco2eq, text):
    assert show_mass(gco2eq) == text


def test_energy_goes_from_uwh_to_mwh():
    assert [show_energy(wh) for wh in (5e-5, 0.5, 42, 1500, 3.2e6)] == [
        "50 uWh",
        "500 mWh",
        "42 Wh",
        "1.5 kWh",
        "3.2 MWh",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.08, "0.08 s"),
        (4.25, "4.2 s"),
        (45, "45 s"),
        (59.7, "1 min"),
        (63, "1 min 3 s"),
        (3599.7, "1 h"),
        (11_400, "3 h 10 min"),
        (86_399, "1 d"),
        (187_200, "2 d 4 h"),
        (-5400, "-1 h 30 min"),
    ],
)
def test_duration_shows_its_two_largest_units(seconds, text):
    assert show_duration(seconds) == text


@given(st.integers(min_value=60, max_value=10**9))
def test_no_part_of_a_duration_reaches_the_next_unit(seconds):
    words = show_duration(seconds).split()
    parts = dict(zip(words[1::2], map(int, words[::2]), strict=True))
    assert parts.get("h", 0) < 24
    assert parts.get("min", 0) < 60
    assert parts.get("s", 0) < 60


def test_share_is_a_percentage():
    assert [show_share(x) for x in (0, 0.43, 0.004, -0.05, 1.0)] == [
        "0 %",
        "43 %",
        "0.4 %",
        "-5 %",
        "100 %",
    ]


def test_bytes_are_decimal():
    assert [show_bytes(n) for n in (0, 999, 1000, 42_000_000, 8 * 10**9)] == [
        "0 B",
        "999 B",
        "1 kB",
        "42 MB",
        "8 GB",
    ]


def test_unknown_intensity_is_never_shown_as_zero():
    assert show_intensity(None) == "unknown"
    assert show_intensity(0.0) == "0 gCO2eq/kWh"
    assert show_intensity(212.4) == "212 gCO2eq/kWh"
