"""An hour is worth less by what reserved machines emit until it begins."""

from __future__ import annotations

import numpy as np
import pytest

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.planning.idle import idle_until, less_idle
from scheduler.policies.planning.reservation_prices import reservation_prices
from scheduler.policies.selection_context import Candidate

FR, DE = (300.0, 100.0, 50.0), (500.0, 400.0, 400.0)


def candidates(fr_w: float | None, de_w: float | None) -> CandidateTable:
    """Return a candidate in FR and one in DE, each of 100 Wh an update."""
    return CandidateTable.of([
        Candidate("a", "FR", energy_wh=100.0, num_examples=1, idle_w=fr_w,
                  intensity_gco2eq_per_kwh=FR[0], forecast_gco2eq_per_kwh=FR),
        Candidate("b", "DE", energy_wh=100.0, num_examples=1, idle_w=de_w,
                  intensity_gco2eq_per_kwh=DE[0], forecast_gco2eq_per_kwh=DE),
    ])  # fmt: skip


def test_waiting_emits_by_the_grid_of_every_hour_until_then():
    pool = candidates(20.0, 10.0)
    emissions = hourly_emissions(pool, horizon_h=3, end_h=None)
    # 20 W at 300 and then 100 g/kWh are 6 and 2 g; 10 W at 500 and 400 are 5 and 4 g.
    assert idle_until(pool, emissions).tolist() == pytest.approx([0.0, 11.0, 17.0])


def test_idle_watts_that_are_unknown_are_left_out():
    pool = candidates(None, 10.0)
    emissions = hourly_emissions(pool, horizon_h=3, end_h=None)
    assert idle_until(pool, emissions).tolist() == pytest.approx([0.0, 5.0, 9.0])


def test_a_better_hour_is_worth_no_wait_that_emits_more_than_it_saves():
    def better(fr_w: float | None) -> int:
        pool = candidates(fr_w, None)
        emissions = hourly_emissions(pool, horizon_h=3, end_h=None)
        prices = reservation_prices(emissions, np.ones(2), places=2)
        return less_idle(prices, pool, emissions).better_hours()

    # The next hour saves 100 Wh x (200 + 100) g/kWh = 30 g, the one after it 35 g.
    assert better(None) == 2
    assert better(80.0) == 2  # 24 and 32 g until they begin
    assert better(99.0) == 1  # 29.7 g until the next hour, 39.6 g until the one after it
    assert better(101.0) == 0  # 30.3 and 40.4 g
    assert better(0.0) == 2


def test_without_idle_watts_prices_stay_as_they_are():
    pool = candidates(None, None)
    emissions = hourly_emissions(pool, horizon_h=3, end_h=None)
    prices = reservation_prices(emissions, np.ones(2), places=2)
    assert less_idle(prices, pool, emissions) is prices
