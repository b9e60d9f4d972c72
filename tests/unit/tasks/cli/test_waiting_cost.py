"""What waiting costs, as `plan` says it: hours, watt-hours, grams, and what is unknown."""

from __future__ import annotations

from scheduler.carbon.grid import Grid
from scheduler.rounds.waiting_cost import ReservedPower, WaitBalance
from tasks.cli.waiting_cost import waiting_json, waiting_sentences
from tests.unit.scheduler.rounds.test_forecast import Told
from tests.unit.scheduler.rounds.test_waiting_cost import TEN, site
from tests.unit.scheduler.story import NOON

GRID = Grid(Told(FR=[100.0]))


def said(
    reserved: ReservedPower, balance: WaitBalance | None = None, *, ahead: bool = False
) -> list[str]:
    return list(waiting_sentences(reserved, balance, GRID, NOON, ahead=ahead))


def test_an_hour_of_waiting_has_its_price():
    assert said(TEN) == [
        "An hour of waiting costs 100 Wh (10 gCO2eq): the idle power of 10 reserved sites."
    ]
    partly = ReservedPower.of([site("a", 50.0), site("b", None)])
    assert said(partly) == [
        (
            "An hour of waiting costs 50 Wh (5 gCO2eq): the idle power of 1 reserved site; 1 more "
            "does not state it (FAIRWIND_IDLE_W)."
        )
    ]


def test_unknown_is_said_as_unknown():
    assert said(ReservedPower.of([site("a", None)])) == [
        "What waiting costs is unknown: no site states its idle watts (FAIRWIND_IDLE_W)."
    ]
    assert said(ReservedPower.of([])) == []
    unsure = WaitBalance(3, 2.0, saved_gco2eq=None, idle_wh=200.0, idle_gco2eq=20.0)
    assert said(TEN, unsure)[1] == (
        "The last 3 waited 2 h in all, which costs 200 Wh (20 gCO2eq); whether it saves more is "
        "unknown."
    )
    found = waiting_json(ReservedPower.of([site("a", None)]), unsure, GRID, NOON)
    assert (found["idle_w"], found["idle_wh"], found["faster_saves_gco2eq"]) == (None, None, None)
    assert found["unstated"] == 1


def test_it_says_when_going_faster_emits_less_and_when_waiting_does():
    dear = WaitBalance(3, 2.0, saved_gco2eq=5.0, idle_wh=200.0, idle_gco2eq=20.0)
    assert said(TEN, dear)[1] == (
        "The last 3 waited 2 h in all, which costs 200 Wh (20 gCO2eq) and saves 5 gCO2eq of work: "
        "going faster emits 15 gCO2eq less."
    )
    cheap = WaitBalance(3, 2.0, saved_gco2eq=50.0, idle_wh=200.0, idle_gco2eq=20.0)
    assert said(TEN, cheap, ahead=True)[1] == (
        "The rounds expected here wait 2 h in all, which costs 200 Wh (20 gCO2eq) and saves 50 "
        "gCO2eq of work: waiting emits 30 gCO2eq less."
    )
    assert waiting_json(TEN, dear, GRID, NOON)["faster_saves_gco2eq"] == 15.0
    at_once = WaitBalance(3, 0.0, saved_gco2eq=0.0, idle_wh=0.0, idle_gco2eq=0.0)
    assert len(said(TEN, at_once)) == 1
