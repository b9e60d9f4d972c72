"""Planning while others append, and while a run is blocked because its policy raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from scheduler.ledger.events import ClientEnrolled, ClientJoined, ClientSilent
from scheduler.policies.selection_context import SelectionContext
from scheduler.rounds.planning import plan
from tests.unit.scheduler.rounds.memory_world import MemoryWorld

MINUTE = timedelta(minutes=1)

calls: list[Callable[[], bool]] = []
"""What the policy does at each call, the last one ever: it may raise, or return if it waits."""

called: list[None] = []


def choose(context: SelectionContext) -> list[str]:
    called.append(None)
    waits = (calls.pop(0) if len(calls) > 1 else calls[0])()
    return [] if waits else [candidate.client for candidate in context.candidates]


def raises() -> bool:
    raise ZeroDivisionError


def waits() -> bool:
    return True


def invites() -> bool:
    return False


@pytest.fixture
def world() -> Iterator[MemoryWorld]:
    world = MemoryWorld("a", "b")
    world.start(rounds=1, policy=f"{__name__}:choose")
    called.clear()
    yield world
    calls.clear()


def run_kinds(world: MemoryWorld) -> list[str]:
    return [kind for kind in world.kinds() if kind.startswith("run.")]


def keep_appending(world: MemoryWorld, times: int) -> None:
    """Let somebody append just before each of the next appends."""

    def append() -> None:
        world.happen(ClientEnrolled(zone="FR", num_examples=10), client="other")
        keep_appending(world, times - 1)

    world.history.meanwhile = append if times else None


def test_a_run_that_is_stopped_while_it_is_tried_again_has_not_gone_on(world):
    def stops() -> bool:
        world.stop()
        return False

    calls[:] = [raises, stops]
    world.play(5 * MINUTE)
    assert world.run().end_reason == "stopped"
    assert run_kinds(world)[2:] == ["run.blocked", "run.stop_requested", "run.ended"]


def test_a_run_stays_blocked_while_too_few_are_free_for_its_policy_to_be_called(world):
    calls[:] = [raises, invites]
    world.engine.advance()
    for client in ("a", "b"):
        world.happen(ClientSilent(), client=client)
    world.play(5 * MINUTE)
    assert run_kinds(world)[2:] == ["run.blocked", "run.waiting"]
    assert world.run().blocked is not None
    for client in ("a", "b"):
        world.happen(ClientJoined(incarnation="i2", host="h", pid=1), client=client)
    world.play(20 * MINUTE)
    assert run_kinds(world)[4:] == ["run.unblocked", "run.ended"]


@pytest.mark.parametrize("before", [[], [raises]])
def test_a_policy_is_called_once_however_many_append_meanwhile(world, before):
    calls[:] = [*before, invites]
    if before:
        world.engine.advance()
        world.clock.now += MINUTE
    world.engine.observe()
    called.clear()
    keep_appending(world, 5)
    world.engine.advance()
    assert len(called) == 1
    assert world.open_round().cohort.keys() == {"a", "b"}


def test_a_policy_that_waits_is_called_once_however_many_append_meanwhile(world):
    calls[:] = [waits]
    world.engine.observe()
    keep_appending(world, 5)
    world.engine.advance()
    assert len(called) == 1
    assert world.run().waiting is not None
    assert world.run().waiting.reason == "policy_waits"


def test_a_round_that_another_process_planned_meanwhile_is_not_planned_a_second_time(world):
    """Nor where all its clients have answered by then, and are free again."""

    def plans_elsewhere() -> bool:
        plan(world.world, "r")
        for _ in range(2):
            world.engine.receive(world.work.arrive())
        return False

    calls[:] = [plans_elsewhere, invites]
    world.engine.advance()
    assert world.kinds().count("round.planned") == 1
    assert len(world.work.sent) == 2
    world.play(5 * MINUTE)
    assert world.kinds().count("update.accepted") == 2
    assert world.run().end_reason == "rounds"
