"""The forecast of an asynchronous run: which versions are expected when, and of whose updates."""

from __future__ import annotations

import pytest

from scheduler.rounds.forecast import ExpectedRound, forecast_rounds
from tests.unit.scheduler.rounds.memory_world import HOUR, MemoryWorld
from tests.unit.scheduler.rounds.test_async import MINUTE, latencies, world_of


def forecast(world: MemoryWorld, hours: int) -> list[ExpectedRound]:
    return forecast_rounds(
        world.history.state, world.run(), world.world.grid, world.world.rules, world.clock.now,
        hours=hours, grid_clock=world.clock.grid_clock,
    )  # fmt: skip


def test_it_lists_versions_and_who_makes_them():
    world = world_of("a", "b", "slow", rounds=4)
    latencies(world, a=60, b=60, slow=170)
    world.engine.advance()
    rounds = forecast(world, 2)
    assert [each.number for each in rounds] == [1, 2, 3, 4]
    assert all(len(each.cohort) == 2 for each in rounds)
    assert [each.gco2eq for each in rounds] == pytest.approx([0.4] * 4)
    world.play()
    assert [closed.cohort for closed in world.run().closed] == [each.cohort for each in rounds]


def test_a_version_that_is_made_at_once_takes_no_time():
    # All four answer at the same instant: the second buffer is full as soon as it is begun.
    world = world_of("a", "b", "c", "d", rounds=2, concurrency=4)
    latencies(world, a=60, b=60, c=60, d=60)
    world.engine.advance()
    now = world.clock.now
    rounds = forecast(world, 24)
    assert [(each.start - now, each.end - now) for each in rounds] == [
        (0 * MINUTE, MINUTE), (MINUTE, MINUTE),
    ]  # fmt: skip
    assert [each.cohort for each in rounds] == [("a", "b"), ("c", "d")]


def test_a_buffer_that_waits_half_full_is_one_version_from_its_first_assignment_to_its_end():
    # From 13:00 on no gate is open, until 16:00; a alone has answered by then.
    world = world_of("a", "b", intensities=[100, 900, 900, 900, 100], rounds=1, concurrency=2)
    latencies(world, a=60, b=60)
    world.history.state.clients["b"].alive = False
    world.engine.advance()
    start = world.clock.now
    world.play_one()
    world.history.state.clients["b"].alive = True
    world.clock.now += HOUR
    (expected,) = forecast(world, 24)
    assert (expected.start - start, expected.end - start) == (0 * HOUR, 4 * HOUR + MINUTE)
    assert expected.cohort == ("a", "b")
    assert expected.waiting is None
