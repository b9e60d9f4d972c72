"""The emissions: what is unknown of clients and grids is filled in, and never counts as clean."""

import numpy as np
import pytest

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.hourly_emissions import HourlyEmissions, hourly_emissions
from scheduler.policies.selection_context import Candidate
from tests.unit.scheduler.policies.course import site


def emissions(
    *candidates: Candidate, horizon_h: float = 48.0, end_h: float | None = None
) -> HourlyEmissions:
    return hourly_emissions(CandidateTable.of(candidates), horizon_h=horizon_h, end_h=end_h)


def test_what_clients_did_not_say_is_as_with_the_middle_one():
    # Examples 100, ?, 300: the middle is 200. Wh an example 0.01, ?, 0.02: the middle is 0.015.
    found = emissions(
        site("a", 1.0, num_examples=100, energy_wh=1.0),
        site("b", 1.0, num_examples=None, energy_wh=None),
        site("c", 1.0, num_examples=300, energy_wh=6.0),
    )
    assert found.examples.tolist() == [100.0, 200.0, 300.0]
    assert found.energy_wh == pytest.approx([1.0, 3.0, 6.0])


def test_where_nothing_is_known_all_are_alike():
    found = emissions(*(site(name, num_examples=None, energy_wh=None) for name in "ab"))
    assert found.hours == 1
    assert np.ptp(found.gco2eq(0)) == 0
    assert found.gco2eq(0)[0] > 0


def test_an_hour_that_is_not_forecast_is_like_the_mean_of_the_others():
    found = emissions(site("a", 100.0, 300.0), site("b", 1.0, 2.0, 3.0, 4.0))
    assert found.ahead.tolist() == [[100.0, 300.0, 200.0, 200.0], [1.0, 2.0, 3.0, 4.0]]


def test_a_grid_of_which_nothing_is_known_is_as_dirty_as_the_dirtiest():
    found = emissions(site("a", 100.0, 300.0), site("b"))
    assert found.ahead.tolist() == [[100.0, 300.0], [300.0, 300.0]]


def test_the_running_hour_is_what_is_read_not_what_was_forecast():
    read = site("a", 100.0, 300.0, intensity_gco2eq_per_kwh=150.0)
    forecast = site("b", 80.0, 90.0, intensity_gco2eq_per_kwh=None)
    assert emissions(read, forecast).ahead.tolist() == [[150.0, 300.0], [80.0, 90.0]]


def test_nobody_looks_beyond_the_horizon_or_the_end():
    hours = site("a", *range(1, 100))
    assert emissions(hours).hours == 48
    assert emissions(hours, horizon_h=12.0).hours == 12
    assert emissions(hours, end_h=5.5).hours == 6
    assert emissions(hours, end_h=0.0).hours == 1


def test_grams_are_energy_times_intensity():
    # 2 kWh at 100 g/kWh are 200 g; the mean of 100 and 300 g/kWh makes 400 g.
    found = emissions(site("a", 100.0, 300.0, energy_wh=2000.0))
    assert found.gco2eq(0).tolist() == [200.0]
    assert found.gco2eq(1).tolist() == [600.0]
    assert found.usual_gco2eq.tolist() == [400.0]
