"""A site's figures have physical bounds; what is beyond them is unknown, never zero, never used."""

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages import Energy, EnergyPart, Timings
from scheduler.accounting.plausible import (
    LARGEST,
    placed,
    plausible,
    plausible_energy,
    plausible_timings,
)
from scheduler.ledger.events import WorkRecord
from tests.unit.scheduler.story import HOUR, NOON

CENTURY = 100 * 8766 * HOUR


def energy(energy_wh: float = 2.0, **changes: Any) -> Energy:
    fields = {"energy_wh": energy_wh, "method": "rapl", "quality": "measured", "pue": 1.0}
    return Energy(**(fields | changes))


def work(**changes: Any) -> WorkRecord:
    fields: dict[str, Any] = {
        "attempt": 0, "started_at": NOON, "ended_at": NOON + HOUR, "grid_started_at": NOON,
        "grid_ended_at": NOON + HOUR, "energy": energy(), "comparable": True, "gco2eq": 0.1,
        "nbytes": 8, "pulled_nbytes": 8, "network_wh": 0.0, "examples": 100,
        "metrics": {"accuracy": 0.9}, "num_held_out": 20,
    }  # fmt: skip
    return WorkRecord(**(fields | changes))


@pytest.mark.parametrize(
    ("energy_wh", "known"),
    [(200_000.0, True), (200_001.0, False), (1e306, False)],  # 200 kW for an hour
)
def test_an_energy_that_no_site_can_have_used_is_unknown(energy_wh, known):
    assert (plausible_energy(energy(energy_wh), HOUR) is not None) == known


def test_a_part_or_a_pue_that_no_site_has_makes_the_energy_unknown():
    part = EnergyPart(device="cpu", energy_wh=1e306, method="rapl", quality="measured")
    assert plausible_energy(energy(parts=(part,)), HOUR) is None
    assert plausible_energy(energy(pue=1e300), HOUR) is None


def test_idle_hardware_and_its_manufacture_are_judged_by_themselves():
    reported = energy(idle_wh=1e300, idle_s=60.0, embodied_gco2eq=1e300)
    found = plausible_energy(reported, HOUR)
    assert found == energy()
    assert plausible_energy(energy(idle_wh=1.0, idle_s=1e300), HOUR) == energy()


def test_more_operations_than_any_site_can_do_are_unknown():
    hour_of_a_site = 1e19 * 3600
    assert plausible(work(flops=hour_of_a_site), within=HOUR, most_examples=20).flops is not None
    found = plausible(work(flops=1.01 * hour_of_a_site), within=HOUR, most_examples=20)
    assert found.flops is None


def test_grams_of_an_unknown_energy_are_unknown():
    found = plausible(work(energy=energy(1e306), gco2eq=5e304), within=HOUR, most_examples=100)
    assert (found.energy, found.gco2eq) == (None, None)


def test_a_metric_that_overflows_is_unknown_and_others_stay():
    reported = work(metrics={"loss": 1e308, "accuracy": 0.9, "f1": None}, loss=-1e308, utility=1e39)
    found = plausible(reported, within=HOUR, most_examples=100)
    assert found.metrics == {"loss": None, "accuracy": 0.9, "f1": None}
    assert (found.loss, found.utility) == (None, None)


def test_no_more_held_out_examples_count_than_may():
    assert plausible(work(num_held_out=2**39), within=HOUR, most_examples=50).num_held_out == 50


def test_what_is_plausible_stays_as_it_is():
    reported = work()
    assert plausible(reported, within=HOUR, most_examples=100) is reported
    assert placed(reported, since=NOON, until=NOON + HOUR) is reported


def test_recorded_work_of_a_century_has_the_hours_of_its_run():
    reported = work(grid_started_at=NOON - CENTURY, grid_ended_at=NOON + CENTURY)
    found = placed(reported, since=NOON, until=NOON + 2 * HOUR)
    # A day on either side, in case that a clock was set anew.
    assert found.grid_started_at == NOON - 24 * HOUR
    assert found.grid_ended_at == NOON + 26 * HOUR


def test_no_phase_is_negative_or_longer_than_the_whole():
    reported = Timings(queue_s=-1e308, pull_s=1e308, train_s=5.0)
    assert plausible_timings(reported, 10.0) == Timings(queue_s=0.0, pull_s=70.0, train_s=5.0)


anything = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(0, allow_nan=False, allow_infinity=False)


@given(
    reported=st.builds(
        energy, positive, pue=st.floats(1, 1e308), idle_wh=st.none() | positive,
        idle_s=st.none() | positive, embodied_gco2eq=st.none() | positive,
    ),
    metrics=st.lists(anything, max_size=5),
    seconds=st.floats(-1e9, 1e9),
)  # fmt: skip
def test_sums_of_a_million_plausible_figures_are_finite(reported, metrics, seconds):
    within = timedelta(seconds=seconds)
    named = {str(index): value for index, value in enumerate(metrics)}
    found = plausible(work(energy=reported, metrics=named), within=within, most_examples=2**31)
    figures = [value for value in found.metrics.values() if value is not None]
    if found.energy is not None:
        more = (found.energy.idle_wh, found.energy.embodied_gco2eq, found.energy.idle_s)
        figures += [found.energy.energy_wh * found.energy.pue, *(x for x in more if x is not None)]
    assert all(math.isfinite(x * 1e6 * 2**31) for x in figures)
    assert all(abs(x) <= LARGEST for x in figures)
    assert plausible(found, within=within, most_examples=2**31) is found
