"""Late updates of synchronous rounds: wasted, or counted in the next round."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scheduler.ledger.events import RoundCommitted, RoundPlanned, UpdateAccepted
from scheduler.rounds.forecast import forecast_rounds
from scheduler.status.explain import explain_run
from tests.unit.scheduler.rounds.memory_world import HOUR, MemoryWorld
from tests.unit.scheduler.story import NOON

MINUTE = timedelta(minutes=1)


def world_of(late: str, **more: Any) -> MemoryWorld:
    """Return a world whose rounds are due every hour, aim at two of three, and leave one behind."""
    world = MemoryWorld("a", "b", "slow")
    fields: dict[str, Any] = {
        "late": late, "cohort": 2, "over_selection": 0.5, "rounds": 2, "cron": "0 * * * *",
    }  # fmt: skip
    world.start(**fields | more)
    world.history.state.clients["slow"].latency_s = 600.0
    return world


def test_an_update_that_comes_after_its_round_is_wasted_unless_the_run_counts_it():
    world = world_of("waste")
    world.play(2 * HOUR + 30 * MINUTE)
    assert [closed.cohort for closed in world.run().closed] == [("a", "b")] * 2
    assert world.run().totals.uncounted_wh == pytest.approx(4.0)


def test_a_late_update_counts_in_the_next_round_for_less():
    world = world_of("count")
    world.play(2 * HOUR + 30 * MINUTE)
    run = world.run()
    assert [closed.cohort for closed in run.closed] == [("a", "b"), ("a", "b", "slow")]
    lines = {line.client: line for line in run.closed[1].manifest}
    # 10 examples at 65536 each, and at 65536 / sqrt(2) = 46340.95 for the one of the round before.
    assert (lines["a"].weight, lines["a"].issued) == (655360, 2)
    assert (lines["slow"].weight, lines["slow"].issued) == (463400, 1)
    committed = [e.payload for e in world.history.events if isinstance(e.payload, RoundCommitted)]
    assert committed[-1].divisor is None  # a mean: the others count for more
    assert run.end_reason == "rounds"
    # Round 2 invited the two whose updates were not there yet.
    planned = [e.payload for e in world.history.events if isinstance(e.payload, RoundPlanned)]
    assert planned[1].cohort == ("a", "b")
    assert run.totals.uncounted_wh == 0


def test_between_rounds_the_straggler_is_busy_and_the_run_waits():
    world = world_of("count")
    world.play(1 * HOUR + 5 * MINUTE)
    run = world.run()
    assert run.status == "waiting"
    assert world.open_round().pending
    assert [part.client for part in world.history.state.open_assignments()] == ["slow"]
    found = explain_run(world.history.state, run, now=world.clock.now, wall_now=world.clock.now)
    assert found.code == "not_due"
    world.play(10 * MINUTE)
    assert list(world.open_round().accepted) == ["slow"]
    assert not world.history.state.open_assignments()


def test_an_update_counts_in_the_next_round_and_in_none_after_that():
    world = world_of("count", rounds=4, deadline_s=600.0)
    world.history.state.clients["slow"].latency_s = 3 * 3600.0
    world.play(4 * HOUR + 30 * MINUTE)
    run = world.run()
    assert run.end_reason == "rounds"
    assert all("slow" not in closed.cohort for closed in run.closed)
    world.play(2 * HOUR)
    assert "update.late" in world.kinds()


def test_the_work_of_a_late_update_is_in_the_baseline_of_the_round_it_counts_in():
    world = world_of("count")
    world.play(2 * HOUR + 30 * MINUTE)
    second = world.run().closed[1]
    assert second.energy_wh == pytest.approx(6.0)
    assert second.gco2eq == pytest.approx(0.6)
    assert second.baseline_gco2eq == pytest.approx(0.6)


def test_a_late_update_is_counted_once_however_often_it_comes():
    world = world_of("count")
    world.play(2 * HOUR + 30 * MINUTE)
    accepted = [e for e in world.history.events if isinstance(e.payload, UpdateAccepted)]
    assert len({(event.round, event.client) for event in accepted}) == len(accepted) == 5


def test_a_forecast_of_a_run_that_waits_with_a_late_update_begins_with_the_next_round():
    world = world_of("count", rounds=3)
    world.play(1 * HOUR + 30 * MINUTE)
    rounds = forecast_rounds(
        world.history.state, world.run(), world.world.grid, world.world.rules, world.clock.now,
        hours=3, grid_clock=world.clock.grid_clock,
    )  # fmt: skip
    held = [each for each in rounds if each.waiting is None]
    assert [each.number for each in held] == [2, 3]
    assert held[0].start == NOON + 2 * HOUR
