"""Waiting costs what reserved machines draw meanwhile; it may be more than what it saves."""

from __future__ import annotations

from datetime import datetime

import pytest

from scheduler.carbon.grid import Grid
from scheduler.federation.client import Client
from scheduler.rounds.forecast import ExpectedRound
from scheduler.rounds.waiting_cost import ReservedPower, closed_balance, expected_balance
from tests.unit.scheduler.rounds.test_forecast import Told, began
from tests.unit.scheduler.story import HOUR, MINUTE, NOON


def site(client: str, idle_w: float | None, *, zone: str = "FR", alive: bool = True) -> Client:
    return Client(client, zone, alive=alive, idle_w=idle_w)


TEN = ReservedPower.of(site(f"s{n}", 10.0) for n in range(10))


def held(start: datetime, gco2eq: float | None, run_now_gco2eq: float | None) -> ExpectedRound:
    return ExpectedRound(
        1, start, start + 20 * MINUTE, gco2eq=gco2eq, run_now_gco2eq=run_now_gco2eq
    )


def test_sites_that_are_away_draw_nothing_and_those_that_state_nothing_are_counted_apart():
    clients = [site("a", 10.0), site("b", 30.0, zone="DE"), site("c", None)]
    found = ReservedPower.of([*clients, site("d", 99.0, alive=False)])
    assert (dict(found.idle_w), found.stated, found.unstated) == ({"FR": 10.0, "DE": 30.0}, 2, 1)
    grid = Grid(Told(FR=[100.0], DE=[500.0]))
    # 10 W at 100 g/kWh are 1 g an hour, and 30 W at 500 g/kWh are 15 g.
    assert found.gco2eq_per_h(grid, NOON, NOON + HOUR) == pytest.approx(16.0)


def test_on_a_flat_grid_three_rounds_an_hour_beat_one():
    # Rounds of 20 minutes at 12:00, 13:00 and 14:00. A round trains with 1 kW for 20 min: 33 g at
    # 100 g/kWh. The machines idle at a tenth of that, 100 W, for 80 min: 133 Wh and 13.3 g.
    hourly = [held(NOON + n * HOUR, 33.3, 33.3) for n in range(3)]
    found = expected_balance(hourly, TEN, Grid(Told(FR=[100.0] * 4)), NOON)
    assert found is not None
    assert found.waited_h == pytest.approx(80 / 60)
    assert found.idle_wh == pytest.approx(133.333, abs=0.001)
    assert found.idle_gco2eq == pytest.approx(13.333, abs=0.001)
    assert found.faster_saves_gco2eq == pytest.approx(13.333, abs=0.001)
    # One after the other they wait for nothing.
    at_once = [held(NOON + n * 20 * MINUTE, 33.3, 33.3) for n in range(3)]
    found = expected_balance(at_once, TEN, Grid(Told(FR=[100.0] * 4)), NOON)
    assert found is not None
    assert (found.waited_h, found.faster_saves_gco2eq) == (0.0, 0.0)


def test_waiting_for_a_much_cleaner_hour_emits_less_than_its_machines_use_meanwhile():
    # Two hours at 300 g/kWh and the third, of which 20 minutes pass, at 20.
    found = expected_balance([held(NOON + 2 * HOUR, 6.7, 100.0)], TEN, _clean_later(), NOON)
    assert found is not None
    # 100 W for two hours at the mean of 2 h 20 min, (2 x 300 + 20 / 3) / (7 / 3) = 260 g/kWh.
    assert found.idle_gco2eq == pytest.approx(52.0)
    assert found.saved_gco2eq == pytest.approx(93.3)
    assert found.faster_saves_gco2eq == pytest.approx(-41.3)


def _clean_later() -> Grid:
    return Grid(Told(FR=[300.0, 300.0, 20.0]))


def test_what_is_unknown_is_none_and_never_zero():
    grid = Grid(Told(FR=[100.0]))
    beyond = expected_balance([held(NOON + 5 * HOUR, 1.0, 1.0)], TEN, grid, NOON)
    assert beyond is not None
    assert (beyond.idle_gco2eq, beyond.faster_saves_gco2eq) == (None, None)
    unsure = expected_balance([held(NOON, None, 1.0)], TEN, grid, NOON)
    assert unsure is not None
    assert (unsure.saved_gco2eq, unsure.faster_saves_gco2eq) == (None, None)
    assert expected_balance([], TEN, grid, NOON) is None
    assert closed_balance([], TEN, grid) is None


def test_closed_rounds_one_after_the_other_have_waited_for_nothing():
    story = began(done=2)
    found = closed_balance(story.state.runs["r"].closed[-10:], TEN, Grid(Told(FR=[100.0] * 4)))
    assert found is not None
    assert (found.rounds, found.waited_h, found.idle_wh) == (2, 0.0, 0.0)
