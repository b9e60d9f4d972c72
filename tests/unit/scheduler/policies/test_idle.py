"""An hour is worth less by what reserved machines emit until it begins."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.hour_values import hour_values
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.planning.idle import idle_until, waits_in_vain
from scheduler.policies.planning.reservation_prices import reservation_prices
from scheduler.policies.policy import apply_policy, policy_options
from scheduler.policies.reason import explain
from scheduler.policies.selection_context import Candidate, PastRound, SelectionContext
from tests.unit.scheduler.story import HOUR, NOON

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
        prices = reservation_prices(emissions, np.ones(2))
        return hour_values(emissions, prices, idle_until(pool, emissions), places=2).better_hours()

    # The next hour saves 100 Wh x (200 + 100) g/kWh = 30 g, the one after it 35 g.
    assert better(None) == 2
    assert better(80.0) == 2  # 24 and 32 g until they begin
    assert better(99.0) == 1  # 29.7 g until the next hour, 39.6 g until the one after it
    assert better(101.0) == 0  # 30.3 and 40.4 g
    assert better(0.0) == 2


@pytest.mark.parametrize(
    ("relative", "best", "saves_gco2eq", "idle_gco2eq"),
    # The next hour saves 30 g less 11, the one after it 35 g less 17. As a share of what each
    # usually emits, FR, which does so little, gains most in the last.
    [(False, 1, 19.0, 11.0), (True, 2, 18.0, 17.0)],
)
def test_what_waiting_saves_is_less_what_machines_emit_until_then(
    relative, best, saves_gco2eq, idle_gco2eq
):
    pool = candidates(20.0, 10.0)
    emissions = hourly_emissions(pool, horizon_h=3, end_h=None)
    prices = reservation_prices(emissions, np.ones(2), relative=relative)
    values = hour_values(emissions, prices, idle_until(pool, emissions), places=2)
    assert (values.best_hour(), values.idle_gco2eq) == (best, idle_gco2eq)
    assert values.saves_gco2eq == pytest.approx(saves_gco2eq)


@pytest.mark.parametrize(
    ("fr_w", "de_w", "vain"),
    # FR saves 20 g in the next hour and 25 in the one after it, DE 10 g in each. Until then 60 W
    # emit 18 and 24 g in FR, 70 W 21 and 28 g; 10 W emit 5 and 9 g in DE, 30 W 15 and 27 g.
    [
        (None, None, [False, False]), (0.0, 0.0, [False, False]), (60.0, 10.0, [False, False]),
        (70.0, 30.0, [True, True]), (70.0, None, [True, False]),
    ],
)  # fmt: skip
def test_a_client_waits_in_vain_where_no_hour_saves_what_its_own_machine_emits(fr_w, de_w, vain):
    pool = candidates(fr_w, de_w)
    found = waits_in_vain(pool, hourly_emissions(pool, horizon_h=3, end_h=None))
    assert found.tolist() == vain


@pytest.mark.parametrize(("idle_w", "invited"), [(None, 0), (49.0, 0), (51.0, 2)])
def test_clients_of_an_asynchronous_run_do_not_wait_in_vain_either(idle_w, invited):
    # Each would save 20 g, and a machine of 50 W emits 20 g until then.
    context = replace(
        waiting(idle_w), buffer=2, rounds_left=1, hours_left=2.0,
        past=[PastRound(1, NOON - 2 * HOUR, {}, 0.5)],
    )  # fmt: skip
    assert len(apply_policy("fairwind", context).cohort) == invited


@given(
    grids=st.lists(st.lists(st.floats(0, 1000), min_size=4, max_size=4), min_size=1, max_size=3),
    idle_w=st.floats(0, 1000), relative=st.booleans(),
)  # fmt: skip
def test_idle_machines_never_make_an_hour_ahead_look_better(grids, idle_w, relative):
    def better(watts: float | None) -> int:
        pool = CandidateTable.of([
            Candidate(f"s{n}", f"Z{n}", energy_wh=100.0, num_examples=1, idle_w=watts,
                      intensity_gco2eq_per_kwh=grid[0], forecast_gco2eq_per_kwh=tuple(grid))
            for n, grid in enumerate(grids)
        ])  # fmt: skip
        emissions = hourly_emissions(pool, horizon_h=4, end_h=None)
        prices = reservation_prices(emissions, np.ones(len(pool)), relative=relative)
        return hour_values(emissions, prices, idle_until(pool, emissions), places=1).better_hours()

    assert better(idle_w) <= better(None) == better(0.0)


def waiting(idle_w: float | None) -> SelectionContext:
    """Return a round that may wait an hour for half the intensity."""
    return SelectionContext(
        candidates=[
            Candidate(f"s{n}", "FR", energy_wh=100.0, num_examples=1, idle_w=idle_w,
                      intensity_gco2eq_per_kwh=400.0, forecast_gco2eq_per_kwh=(400.0, 200.0))
            for n in range(2)
        ],
        wanted=2, quorum=1, number=1, now=NOON, rng=Random(0), num_clients=2, rounds_left=1,
        hours_left=2.0, interval_h=1.0,
        options=policy_options("fairwind", {"wait": 1.0}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("idle_w", "waits"),
    # It saves 2 x 100 Wh x 200 g/kWh = 40 g; two machines of 50 W emit 40 g in an hour at 400.
    [(None, True), (0.0, True), (49.0, True), (50.0, False), (51.0, False)],
)
def test_a_round_waits_only_where_that_saves_more_than_its_machines_emit(idle_w, waits):
    found = apply_policy("fairwind", waiting(idle_w))
    assert (len(found.cohort) == 0) == waits


def test_the_reason_to_wait_says_what_machines_emit_that_wait():
    found = apply_policy("fairwind", waiting(25.0)).because
    assert (found["saves_gco2eq"], found["idle_gco2eq"]) == (20.0, 20.0)
    assert (explain(found) or "").endswith(
        "the best begins in 1 h and saves at least 20 gCO2eq, after the 20 gCO2eq of machines that "
        "wait for it"
    )
    unknown = apply_policy("fairwind", waiting(None)).because
    assert "idle_gco2eq" not in unknown
    assert (explain(unknown) or "").endswith("saves at least 40 gCO2eq")
