"""Who is to blame for what was lost, and when a client is tried again, through the ports alone."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from common.errors import TransportError, UpdateError
from common.messages import Reason
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    AssignmentDeclined,
    AssignmentFailed,
    AssignmentGivenUp,
    AssignmentReissued,
    ClientJoined,
    RoundPlanned,
    RunBlocked,
    UpdateLost,
    UpdateRefused,
)
from scheduler.rounds.world import LostUpdatesError
from scheduler.selection.plan import plan_round
from scheduler.selection.situation import make_situation
from scheduler.status.explain import explain_run
from tests.unit.scheduler.rounds.memory_world import HOUR, MemoryWorld
from tests.unit.scheduler.story import NOON

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
TICK = 5 * SECOND
AWAY = timedelta(seconds=20)
FULL = OSError(28, "No space left on device")
LATE = Reason(code="too_late", text="too late")
BROKEN = Reason(code="site_failed", text="MemoryError")


def declines(reason: Reason) -> dict[str, Any]:
    return {"outcome": "declined", "update": None, "num_examples": 0, "reason": reason}


def fails(reason: Reason = BROKEN) -> dict[str, Any]:
    return declines(reason) | {"outcome": "failed"}


def events(world: MemoryWorld, kind: type, run: str = "r") -> list[Event]:
    return [e for e in world.history.events if e.run == run and isinstance(e.payload, kind)]


def codes(world: MemoryWorld, kind: type[AssignmentReissued | AssignmentGivenUp]) -> list[str]:
    return [e.payload.code for e in events(world, kind) if isinstance(e.payload, kind)]


def seconds(world: MemoryWorld, span: timedelta = MINUTE) -> None:
    """Let time pass: a tick every five seconds, and one after each answer."""
    world.engine.advance()
    end = world.clock.now + span
    while world.clock.now < end:
        tick, at = world.clock.now + TICK, world.work.next_arrival
        world.clock.now = min(end, tick if at is None else max(world.clock.now, min(at, tick)))
        if at is not None and at <= world.clock.now:
            world.engine.receive(world.work.arrive())
        world.engine.advance()


def quick(*clients: str, **changes: Any) -> MemoryWorld:
    """Return a world whose sites answer within a second."""
    world = MemoryWorld(*clients, **changes)
    for client in world.history.state.clients.values():
        client.latency_s = 1.0
    return world


def unblamed(world: MemoryWorld, *clients: str) -> bool:
    """Return whether nothing counts against these clients."""
    problems = world.run().problems
    return all(
        world.history.state.clients[name].unanswered == 0
        and (name not in problems or not problems[name].in_a_row.get("failure"))
        for name in clients
    )


# --- the coordinator's own trouble ------------------------------------------------------------


def test_an_update_that_cannot_be_stored_never_counts_against_its_site():
    world = quick("a", "b", max_attempts=3)
    world.learning.broken["admit"] = FULL
    world.start(rounds=1, deadline_s=DAY.total_seconds())
    seconds(world, 2 * SECOND)
    world.work.lose = {"a", "b"}  # their receipts were taken, and nothing came of them
    seconds(world, HOUR)
    blocked = world.run().blocked
    assert blocked is not None
    assert blocked.step == "receive"
    assert set(codes(world, AssignmentReissued)) == {"coordinator_failed"}
    # At 1, 2, 4 ... 256 s, and then every five minutes: two sites, an hour.
    assert len(events(world, AssignmentReissued)) <= 2 * (10 + 12)
    assert events(world, AssignmentGivenUp) == []
    assert len(events(world, RunBlocked)) == 1
    assert unblamed(world, "a", "b")
    world.learning.broken.clear()
    world.work.lose = set()
    for client in ("a", "b"):
        world.engine.reissue("r", [client], "lost")
    seconds(world, 10 * SECOND)
    assert world.run().end_reason == "rounds"


def test_what_goes_missing_after_the_trouble_is_over_is_excused_once():
    world = quick("a", "b", max_attempts=3)
    world.learning.broken["admit"] = FULL
    world.start(rounds=1)
    seconds(world, 2 * SECOND)
    assert world.run().blocked is not None
    world.learning.broken.clear()
    world.engine.reissue("r", ["a"], "lost")
    world.work.lose = {"b"}
    seconds(world, MINUTE)
    of_b = [e.payload for e in events(world, AssignmentReissued) if e.client == "b"]
    found = [p.code for p in of_b if isinstance(p, AssignmentReissued)]
    excused = found.count("coordinator_failed")
    assert excused >= 1
    assert found[:excused] == ["coordinator_failed"] * excused
    assert found[excused : excused + 2] == ["lost", "lost"]
    assert codes(world, AssignmentGivenUp)[0] == "lost_too_often"


def test_assignments_that_cannot_be_sent_block_the_run_and_are_sent_as_they_are():
    world = quick("a", "b", max_attempts=2)
    world.work.refuses = ConnectionError("Redis is away")
    world.start(rounds=1)
    seconds(world, HOUR)
    blocked = world.run().blocked
    assert blocked is not None
    assert (blocked.step, len(events(world, RunBlocked))) == ("send", 1)
    assert "Redis is away" in blocked.text
    sentence = explained(world)
    assert sentence.startswith("r is blocked, as sending its assignments fails: ConnectionError")
    assert events(world, AssignmentReissued) == []
    world.work.refuses = None
    seconds(world, 6 * MINUTE)
    assert world.run().end_reason == "rounds"
    assert {attempt for *_, attempt in world.work.sent} == {0}
    assert unblamed(world, "a", "b")


def test_a_deadline_that_passes_while_the_run_is_blocked_is_nobodys_fault():
    world = quick("a", "b")
    world.work.refuses = ConnectionError("Redis is away")
    world.start(rounds=1, deadline_s=60.0)
    seconds(world, 10 * MINUTE)
    assert set(codes(world, AssignmentGivenUp)) == {"undelivered"}
    assert unblamed(world, "a", "b")
    world.work.refuses = None
    seconds(world, 10 * MINUTE)
    assert world.run().end_reason == "rounds"


@pytest.mark.parametrize("lost_by", ["redis_failed"])
def test_what_redis_lost_is_issued_again_and_never_counts_against_a_site(lost_by):
    world = quick("a", "b", max_attempts=3)
    world.work.lose, world.work.lost_by = {"b"}, lost_by
    world.start(rounds=1)
    seconds(world, 15 * SECOND)
    assert codes(world, AssignmentReissued) == [lost_by, lost_by]
    assert codes(world, AssignmentGivenUp) == ["undelivered"]
    part = world.open_round().cohort["b"]
    assert (part.status, unblamed(world, "b")) == ("undelivered", True)
    assert "b was not reached" in explained(world)
    world.work.lose = set()
    seconds(world, MINUTE)
    assert world.run().end_reason == "rounds"


def test_bytes_that_cannot_be_fetched_are_asked_for_again_and_never_count_against_a_site():
    world = quick("a", "b", max_attempts=3)
    world.learning.broken["admit"] = TransportError("The bytes are gone.")
    world.start(rounds=1)
    seconds(world, HOUR)
    assert set(codes(world, AssignmentReissued)) == {"bytes_missing"}
    assert set(codes(world, AssignmentGivenUp)) == {"undelivered"}
    assert unblamed(world, "a", "b")
    # Each time three attempts, after 10, 20, 40 ... s.
    assert len(events(world, RoundPlanned)) <= 12
    world.learning.broken.clear()
    seconds(world, HOUR)
    assert world.run().end_reason == "rounds"


def test_a_deadline_that_passed_while_the_coordinator_was_away_waits_for_what_is_queued():
    world = quick("a", "b", "c", away_after=AWAY)
    world.start(rounds=1, quorum=2, deadline_s=60.0)
    world.engine.advance()
    world.clock.now += HOUR
    world.engine.advance()
    assert events(world, AssignmentGivenUp) == []
    assert world.run().closed[:] == []
    for _ in range(3):
        world.engine.receive(world.work.arrive())
    world.engine.advance()
    assert world.run().closed[0].cohort == ("a", "b", "c")


def test_who_has_not_answered_when_the_coordinator_has_been_back_for_long_is_not_blamed():
    world = quick("a", "b", "c", away_after=AWAY)
    world.start(rounds=1, quorum=2, deadline_s=60.0)
    world.engine.advance()
    world.work.lose = {"c"}
    world.clock.now += HOUR
    world.engine.advance()
    assert codes(world, AssignmentReissued) == ["coordinator_failed"]
    world.work.lose = set()
    for _ in range(4):
        assert events(world, AssignmentGivenUp) == []
        world.clock.now += AWAY / 4
        world.engine.advance()
    assert codes(world, AssignmentGivenUp) == ["undelivered"] * 3
    assert unblamed(world, "a", "b", "c")


def test_a_deadline_waits_while_answers_are_unread_but_not_for_ever():
    world = quick("a", "b", "c", away_after=AWAY)
    world.start(rounds=1, quorum=2, deadline_s=10.0)
    world.engine.advance()
    world.work.unread = True
    for _ in range(29):
        world.clock.now += SECOND
        world.engine.advance()
    assert events(world, AssignmentGivenUp) == []
    world.clock.now += 2 * SECOND
    world.engine.advance()
    assert codes(world, AssignmentGivenUp) == ["deadline"] * 3


def test_updates_that_the_coordinator_loses_again_and_again_block_the_run():
    world = quick("a", "b", max_attempts=3)
    world.learning.broken["make"] = LostUpdatesError({"b": "altered"})
    world.start(rounds=1)
    seconds(world, HOUR)
    blocked = world.run().blocked
    assert blocked is not None
    assert blocked.step == "close"
    assert blocked.text.startswith("The updates of b were stored, and were gone or altered each")
    assert len(events(world, UpdateLost)) == 2
    assert unblamed(world, "a", "b")
    world.learning.broken.clear()
    seconds(world, 6 * MINUTE)
    assert world.run().end_reason == "rounds"


# --- back-off ---------------------------------------------------------------------------------


def test_a_failure_bars_a_client_for_a_moment_and_it_is_tried_again_in_the_open_round():
    world = quick("a", "b")
    world.work.changes = {"b": fails()}
    world.start(rounds=1)
    seconds(world, 5 * SECOND)
    assert "b failed: MemoryError" in explained(world)
    world.work.changes = {}
    seconds(world, 15 * SECOND)
    assert world.run().end_reason == "rounds"
    assert world.run().problems["b"].count == 0


def test_a_client_that_always_fails_is_tried_less_and_less_often_and_never_given_up():
    world = quick("a", "b", "c")
    world.work.changes = {"c": fails(Reason(code="workload_failed", text="No such workload."))}
    world.start(rounds=10_000, quorum=2, deadline_s=60.0)
    seconds(world, 6 * MINUTE)
    times = [e.at for e in events(world, AssignmentFailed)]
    pauses = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert all(10 * 2**n <= pause <= 10 * 2**n + 5 for n, pause in enumerate(pauses))
    assert len(times) == 6


def test_a_restart_of_its_worker_ends_a_back_off_at_once():
    world = quick("a", "b")
    world.work.changes = {"b": fails()}
    world.start(rounds=1)
    seconds(world, 200 * SECOND)
    world.work.changes = {}
    tried = len(events(world, RoundPlanned))
    world.happen(ClientJoined(incarnation="i2", host="h", pid=2), client="b")
    seconds(world, 3 * SECOND)
    assert len(events(world, RoundPlanned)) == tried + 1
    assert world.run().end_reason == "rounds"


def test_a_worker_that_dies_of_each_assignment_and_comes_back_is_no_hot_loop():
    world = quick("a", "b", max_attempts=3)
    world.start(rounds=1, deadline_s=DAY.total_seconds())
    world.work.lose = {"b"}
    for number in range(720):
        seconds(world, TICK)
        joined = ClientJoined(incarnation=f"i{number}", host="h", pid=1)
        world.happen(joined, client="b")
    assert set(codes(world, AssignmentGivenUp)) == {"lost_too_often"}
    assert len(events(world, AssignmentGivenUp)) <= 10


@pytest.mark.parametrize("reason", [LATE, Reason(code="above_site_ceiling", text="too dirty")])
@pytest.mark.parametrize(
    "asked",
    [{"quorum": 2}, {"quorum": 1, "cohort": 1}, {"quorum": 2, "cron": "* * * * *"}],
)
@pytest.mark.parametrize("policy", ["all", "fairwind", "random"])
def test_a_client_that_always_declines_is_no_hot_loop(policy, asked, reason):
    world = quick("a", "b")
    world.work.changes = {"b": declines(reason)}
    world.start(rounds=10_000, policy=policy, **asked)
    world.start("other", rounds=5, policy="all", quorum=1)
    seconds(world, 5 * MINUTE)
    assert 1 <= len(events(world, AssignmentDeclined)) <= 6
    assert len(events(world, AssignmentDeclined, "other")) <= 6
    assert world.run("other").end_reason == "rounds"


def test_a_client_whose_updates_are_always_refused_is_no_hot_loop():
    world = quick("a", "b")
    world.learning.refuses = {"b": UpdateError("Its norm is above the bound.")}
    world.start(rounds=10, quorum=2)
    seconds(world, HOUR)
    assert 3 <= len(events(world, UpdateRefused)) <= 10
    assert "the update of b was refused" in explained(world) or "b failed" in explained(world)


def test_a_deadline_far_shorter_than_any_answer_is_no_hot_loop():
    world = quick("a", "b")
    for client in world.history.state.clients.values():
        client.latency_s = 2 * DAY.total_seconds()
    world.start(rounds=1, deadline_s=1.0)
    seconds(world, HOUR)
    assert len(events(world, RoundPlanned)) <= 12


def test_failures_and_declines_in_turn_are_no_hot_loop():
    world = quick("a", "b")
    world.start(rounds=1)
    for number in range(600):
        world.work.changes = {"b": declines(LATE) if number % 2 else fails()}
        seconds(world, SECOND)
    assert len(events(world, RoundPlanned)) <= 14


def test_a_decline_holds_for_its_own_hour_however_often_others_are_invited_meanwhile():
    world = quick("a", "b", "c")
    dirty = Reason(code="above_site_ceiling", text="too dirty")
    world.work.changes = {"a": declines(dirty), "c": fails()}
    world.start(rounds=1, quorum=2)
    seconds(world, 50 * MINUTE)
    assert len(events(world, RoundPlanned)) >= 7  # c is tried again and again
    assert [e.client for e in events(world, AssignmentDeclined)] == ["a"]
    world.work.changes = {"c": fails()}
    seconds(world, 11 * MINUTE)
    assert world.run().end_reason == "rounds"
    assert world.run().closed[0].cohort == ("a", "b")


def test_a_plan_and_the_explanation_agree_about_a_client_that_backs_off():
    world = quick("a", "b")
    world.work.changes = {"b": fails()}
    world.start(rounds=1)
    seconds(world, 5 * SECOND)
    for _ in range(30):
        seconds(world, SECOND)
        state, run, now = world.history.state, world.run(), world.clock.now
        rules = world.world.rules
        situation = make_situation(
            state, run, world.world.grid, rules.gate, now, wall_now=world.clock.wall(),
            weights=rules.weights,
        )  # fmt: skip
        made = plan_round(run.spec, situation, number=1, so_far=run.open_round)
        chosen = {"invited", "not_sampled"}
        expected = {v.client: v.code for v in made.verdicts if v.code not in chosen}
        blockers = explain_run(state, run, now=now, wall_now=world.clock.wall()).blockers
        assert {name: blocker.code for name, blocker in blockers.items()} == expected


# --- a site's own times -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead_h", "given_h", "understood_h"),
    [
        (0, 4, 4),
        # Two hours slow, it opens at 16:00 by its clock: at 18:00 by ours.
        (-2, 4, 6),
        (2, 4, 2),
        # Its clock is years ahead, or its grid clock another one than ours.
        (40_000, 40_004, 4),
        (0, 40_000, 24),
    ],
)
def test_when_a_site_accepts_again_is_understood_by_its_own_clock(ahead_h, given_h, understood_h):
    world = quick("a", "b")
    world.work.ahead = {"b": ahead_h * HOUR}
    closed = Reason(code="outside_site_windows", text="-", not_before=NOON + given_h * HOUR)
    world.work.changes = {"b": declines(closed)}
    world.start(rounds=1)
    seconds(world, 5 * SECOND)
    decline = world.history.state.clients["b"].decline
    assert decline is not None
    assert decline.not_before is not None
    assert abs(decline.not_before - (NOON + understood_h * HOUR)) < 5 * SECOND


def explained(world: MemoryWorld) -> str:
    return explain_run(
        world.history.state, world.run(), now=world.clock.now, wall_now=world.clock.wall()
    ).sentence
