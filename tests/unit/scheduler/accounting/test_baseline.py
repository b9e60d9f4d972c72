"""Accounts: what waiting saved, what the choice of place saved, and unknown where unknown."""

from datetime import datetime

import pytest

from common.messages import Energy
from scheduler.accounting.baseline import account
from scheduler.accounting.booking import Booking
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.mean import Mean
from tests.unit.scheduler.story import HOUR, NOON

ZONES = {"a": "FR", "b": "DE"}

# The grid changes at noon: before it Germany is at 600 and France at 100, from then on 300 and 50.
BEFORE, AFTER = {"DE": 600.0, "FR": 100.0}, {"DE": 300.0, "FR": 50.0}


def mean(zone: str, start: datetime, end: datetime) -> float | None:
    """Return the mean over an interval, weighted by how much of it lies on either side of noon."""
    whole = (end - start).total_seconds()
    before = max(0.0, (min(end, NOON) - start).total_seconds())
    return (before * BEFORE[zone] + (whole - before) * AFTER[zone]) / whole


def work(
    client: str, energy_wh: float | None, gco2eq: float | None, start=NOON, end=NOON + HOUR
) -> Booking:
    """Return counted work that emitted so much, whatever the intensity must have been for it."""
    energy = None if energy_wh is None else Energy(
        energy_wh=energy_wh, method="test", quality="measured", pue=1.0
    )  # fmt: skip
    intensity = None if gco2eq is None or not energy_wh else 1000 * gco2eq / energy_wh
    booked = Mean(intensity or 0.0, FLOW_TRACED, "measured", ("test",), None)
    known = gco2eq is not None
    return Booking(
        "r", 1, client, ZONES[client], "counted", start, end, energy, None, 1,
        booked if known else None, None, known,
    )  # fmt: skip


def test_the_baseline_is_the_same_work_begun_when_the_baseline_round_is_due():
    # The round waited for noon; the baseline begins it three hours earlier, all before noon.
    # As it was: 100 Wh at 50 and 10 Wh at 300: 5 + 3 = 8 g.
    # Baseline: 100 Wh at 100 and 10 Wh at 600: 10 + 6 = 16 g.
    found = account(
        [work("a", 100.0, 5.0), work("b", 10.0, 3.0)], ZONES.values(),
        number=1, planned_at=NOON, ended_at=NOON + 2 * HOUR, baseline_at=NOON - 3 * HOUR, mean=mean,
    )  # fmt: skip
    assert (found.energy_wh, found.gco2eq) == (110.0, 8.0)
    assert found.baseline_gco2eq == pytest.approx(16.0)
    assert found.baseline_ended == NOON - HOUR


def test_a_baseline_round_across_the_change_is_weighed_by_time():
    # Begun half an hour before noon: half at 600, half at 300, so 450: 10 Wh make 4.5 g.
    found = account(
        [work("b", 10.0, 3.0)], ZONES.values(),
        number=1, planned_at=NOON, ended_at=NOON + HOUR, baseline_at=NOON - HOUR / 2, mean=mean,
    )  # fmt: skip
    assert found.baseline_gco2eq == pytest.approx(4.5)


def test_a_round_that_did_not_wait_avoids_nothing():
    found = account(
        [work("a", 100.0, 5.0), work("b", 10.0, 3.0)], ZONES.values(),
        number=1, planned_at=NOON, ended_at=NOON + HOUR, baseline_at=NOON, mean=mean,
    )  # fmt: skip
    assert found.baseline_gco2eq == pytest.approx(found.gco2eq)
    assert found.baseline_ended == NOON + HOUR


def test_the_figure_of_place_is_the_same_energy_at_the_mean_of_the_fleet():
    # From noon on the fleet is at (50 + 300) / 2 = 175: 100 Wh make 17.5 g, where France made 5.
    found = account(
        [work("a", 100.0, 5.0)], ZONES.values(),
        number=1, planned_at=NOON, ended_at=NOON + HOUR, baseline_at=NOON, mean=mean,
    )  # fmt: skip
    assert found.fleet_gco2eq == pytest.approx(17.5)


def test_an_unknown_baseline_intensity_makes_the_baseline_unknown_and_nothing_else():
    def unknown_before_noon(zone, start, end):
        return None if start < NOON else mean(zone, start, end)

    found = account(
        [work("a", 100.0, 5.0), work("b", 10.0, 3.0)], ZONES.values(),
        number=1, planned_at=NOON, ended_at=NOON + HOUR, baseline_at=NOON - HOUR,
        mean=unknown_before_noon,
    )  # fmt: skip
    assert found.baseline_gco2eq is None
    assert found.gco2eq == 8.0
    assert found.fleet_gco2eq is not None


@pytest.mark.parametrize("unknown", [work("a", 100.0, None), work("a", None, None)])
def test_work_of_unknown_emissions_makes_what_was_avoided_unknown(unknown):
    # The sum of emissions covers what is known: a baseline beside it would pass for savings.
    found = account(
        [unknown, work("b", 10.0, 3.0)], ZONES.values(),
        number=1, planned_at=NOON, ended_at=NOON + HOUR, baseline_at=NOON, mean=mean,
    )  # fmt: skip
    assert found.gco2eq == 3.0
    assert (found.baseline_gco2eq, found.fleet_gco2eq) == (None, None)


def test_a_fleet_nobody_knows_anything_of_is_unknown():
    found = account(
        [work("a", 100.0, 5.0)], ZONES.values(),
        number=1, planned_at=NOON, ended_at=NOON + HOUR, baseline_at=NOON, mean=lambda *_: None,
    )  # fmt: skip
    assert (found.baseline_gco2eq, found.fleet_gco2eq) == (None, None)


def test_energy_of_zero_is_known():
    found = account(
        [work("a", 0.0, 0.0)], ZONES.values(),
        number=1, planned_at=NOON, ended_at=NOON, baseline_at=NOON, mean=mean,
    )  # fmt: skip
    assert (found.gco2eq, found.baseline_gco2eq, found.fleet_gco2eq) == (0.0, 0.0, 0.0)
