"""A booking's grams: as booked, as settled, apart where of another family, or unknown."""

from typing import Any

import pytest

from common.messages import Energy
from scheduler.accounting.booking import Booking
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.mean import Mean
from tests.unit.scheduler.story import HOUR, NOON

MARGINAL = Family("marginal", "direct", "production")


def mean(gco2eq_per_kwh: float, family: Family = FLOW_TRACED) -> Mean:
    return Mean(gco2eq_per_kwh, family, "measured", ("test",), None)


def booking(**changes: Any) -> Booking:
    energy = Energy(
        energy_wh=100.0, method="test", quality="measured", pue=1.0, idle_wh=10.0,
        embodied_gco2eq=0.5,
    )  # fmt: skip
    fields: dict[str, Any] = {
        "run": "r", "round": 1, "client": "a", "zone": "FR", "outcome": "counted",
        "started_at": NOON, "ended_at": NOON + HOUR, "energy": energy, "network_wh": 2.0,
        "examples": 1, "booked": mean(50.0), "settled": None, "comparable": True,
    }  # fmt: skip
    return Booking(**(fields | changes))


def test_before_it_is_settled_the_surest_intensity_is_the_booked_one():
    work = booking()
    assert (work.gco2eq, work.settled_gco2eq, work.apart_gco2eq) == (5.0, 5.0, None)
    assert (work.idle_gco2eq, work.network_gco2eq, work.embodied_gco2eq) == (0.5, 0.1, 0.5)


def test_settling_leaves_the_booked_grams_as_they_were():
    work = booking(settled=mean(60.0))
    assert (work.gco2eq, work.settled_gco2eq) == (5.0, 6.0)
    assert (work.idle_gco2eq, work.network_gco2eq) == pytest.approx((0.6, 0.12))


def test_waiting_emits_by_the_hours_waited_where_these_are_known_whatever_the_works_are():
    # 10 Wh at 300 g/kWh: 3 g; the work's 100 Wh at 60 g/kWh: 6 g.
    work = booking(settled=mean(60.0), idle_booked=mean(300.0))
    assert (work.idle_gco2eq, work.settled_gco2eq) == (3.0, 6.0)
    unknown = booking(booked=None, comparable=False, idle_booked=mean(300.0))
    assert (unknown.idle_gco2eq, unknown.settled_gco2eq) == (3.0, None)


def test_grams_of_another_family_stand_apart_until_the_own_family_is_measured():
    work = booking(booked=mean(900.0, MARGINAL), comparable=False)
    assert (work.gco2eq, work.settled_gco2eq, work.apart_gco2eq) == (None, None, 90.0)
    assert (work.idle_gco2eq, work.network_gco2eq) == (None, None)
    settled = booking(booked=mean(900.0, MARGINAL), comparable=False, settled=mean(60.0))
    assert (settled.gco2eq, settled.settled_gco2eq, settled.apart_gco2eq) == (None, 6.0, None)


@pytest.mark.parametrize("unknown", [{"energy": None}, {"booked": None, "comparable": False}])
def test_what_is_unknown_is_none_and_never_zero(unknown):
    work = booking(**unknown)
    assert (work.gco2eq, work.settled_gco2eq, work.idle_gco2eq) == (None, None, None)
