"""The engine, through its ports alone: no Redis, no Celery, no torch."""

import signal
from datetime import timedelta
from typing import TypeVar

import pytest

from common.clock import GridClock
from common.errors import WorkloadError
from scheduler.ledger.event import canonical, read_payload
from scheduler.ledger.events import (
    AssignmentEvaluated,
    AssignmentGivenUp,
    ClientEnrolled,
    ClientSilent,
    GateChanged,
    Payload,
    RoundEvaluated,
    RoundPlanned,
    RunBlocked,
    RunEnded,
)
from scheduler.policies.selection_context import SelectionContext
from scheduler.rounds.forecast import forecast_rounds
from scheduler.rounds.opening import open_run
from scheduler.rounds.planning import plan
from tests.unit.scheduler.rounds.memory_world import HOUR, MemoryWorld
from tests.unit.scheduler.story import NOON

P = TypeVar("P", bound=Payload)

MINUTE = timedelta(minutes=1)
BROKEN = WorkloadError("It broke. Mend it.")


def payloads(world: MemoryWorld, kind: type[P], run: str = "r") -> list[P]:
    return [e.payload for e in world.history.events if e.run == run and isinstance(e.payload, kind)]


# --- the course of a run ----------------------------------------------------------------------


def test_a_run_goes_from_its_start_to_its_end():
    world = MemoryWorld("a", "b")
    world.start(rounds=1)
    world.play()
    assert world.kinds() == [
        "run.started", "run.opened", "round.planned", "update.accepted", "update.accepted",
        "round.committed", "round.closed", "round.evaluated", "run.ended",
    ]  # fmt: skip
    assert payloads(world, RunEnded)[0].reason == "rounds"
    assert world.learning.calls[-2:] == ["score", "export"]


def test_the_next_round_is_sent_before_the_last_one_is_scored():
    world = MemoryWorld("a", "b")
    world.start(rounds=2)
    world.play()
    kinds = world.kinds()
    second = kinds.index("round.planned", kinds.index("round.closed"))
    assert second < kinds.index("round.evaluated")


@pytest.mark.parametrize("scored_here", [True, False])
def test_two_rounds_give_two_scores_whoever_scores(scored_here):
    world = MemoryWorld("a", "b", scored_here=scored_here, held_out=5)
    world.start(rounds=2)
    world.play()
    assert world.run().end_reason == "rounds"
    assert [closed.metrics is not None for closed in world.run().closed] == [True, True]
    assert len(payloads(world, RoundEvaluated)) == 2
    assert world.run().best_version == world.run().closed[1].version


@pytest.mark.parametrize("asked", [{"hours": 0.5, "rounds": None}, {"grams": 0.7, "rounds": None}])
def test_no_run_ends_before_its_last_version_is_scored(asked):
    world = MemoryWorld("a", "b")
    world.start(**asked)
    world.play()
    assert world.run().end_reason in asked
    assert world.run().closed[-1].metrics is not None


def test_the_last_version_is_scored_before_a_run_is_stopped():
    world = MemoryWorld("a", "b")
    world.start(rounds=9)
    world.play(2 * MINUTE)
    world.learning.calls.clear()
    assert world.run().closed
    world.stop()
    world.engine.advance()
    assert world.run().end_reason == "stopped"
    assert world.run().closed[-1].metrics is not None
    assert world.learning.calls[-1] == "export"


# --- the score of the last version ------------------------------------------------------------


def scoring(**changes) -> MemoryWorld:
    """Return a world whose sites are to score the version of its only round."""
    world = MemoryWorld("a", "b", "c", scored_here=False, held_out=5, **changes)
    world.start(rounds=1, cohort=2, quorum=2, policy="greedy")
    return world


def test_the_last_cohort_scores_the_last_version_without_training():
    world = scoring()
    world.play()
    first, last = payloads(world, RoundPlanned)
    assert (first.evaluates, last.evaluates) == (False, True)
    assert set(last.cohort) == set(world.run().closed[0].cohort)
    assert last.base_version == world.run().version
    assert len(payloads(world, AssignmentEvaluated)) == 2
    outcomes = [booking.outcome for booking in world.history.state.book]
    assert sorted(outcomes) == ["counted", "counted", "evaluated", "evaluated"]
    assert world.run().closed[0].metrics == pytest.approx({"accuracy": 0.51})


def test_who_scores_the_last_version_is_gated_like_any_other():
    world = scoring(hours=[100.0, 900.0, 900.0, 900.0, 100.0])
    world.clock.now += HOUR - MINUTE
    world.play(2 * MINUTE)
    assert world.run().complete
    assert world.run().ended_at is None
    world.play(2 * HOUR)
    assert [p.evaluates for p in payloads(world, RoundPlanned)] == [False]
    assert world.run().waiting is not None
    world.play(HOUR + 5 * MINUTE)
    assert world.run().end_reason == "rounds"
    assert world.run().closed[0].metrics


def test_a_last_version_that_no_site_can_score_within_a_day_stays_without_a_score():
    world = scoring()
    world.play(MINUTE)
    for client in ("a", "b", "c"):
        world.happen(ClientSilent(), client=client)
    world.play(23 * HOUR)
    assert world.run().ended_at is None
    world.play(2 * HOUR)
    assert world.run().end_reason == "rounds"
    assert world.run().closed[0].metrics is None


def test_a_site_that_never_answers_does_not_keep_the_others_score():
    world = scoring()
    world.engine.advance()
    for _ in range(2):
        world.clock.now = world.work.next_arrival or world.clock.now
        world.engine.receive(world.work.arrive())
    world.work.lose = {min(world.open_round().cohort)}
    world.play(3 * HOUR)
    assert payloads(world, AssignmentGivenUp)
    assert world.run().end_reason == "rounds"
    assert world.run().closed[0].metrics == pytest.approx({"accuracy": 0.51})


# --- paused -----------------------------------------------------------------------------------


def test_a_paused_run_finishes_its_open_round_and_begins_no_other_until_it_is_resumed():
    world = MemoryWorld("a", "b")
    world.start(rounds=2)
    world.engine.advance()
    world.pause()
    world.play(5 * HOUR)
    assert (world.run().status, len(world.run().closed)) == ("paused", 1)
    assert world.run().closed[0].metrics is not None
    assert len(payloads(world, RoundPlanned)) == 1
    world.resume()
    world.play(HOUR)
    assert world.run().end_reason == "rounds"
    assert len(payloads(world, RoundPlanned)) == 2


def test_a_pause_holds_the_baseline_up_as_it_does_the_run():
    """The grams that a user's pause saved are not said to be saved by waiting for clean power."""
    hours = [100.0] + [900.0] * 4 + [50.0]
    world = MemoryWorld("a", "b", hours=hours)
    world.start(rounds=2)
    world.engine.advance()
    world.pause()
    world.play(5 * HOUR)
    world.resume()
    world.play(HOUR)
    first, second = world.run().closed
    assert first.baseline_started == NOON
    assert second.started == second.baseline_started == NOON + 5 * HOUR
    assert second.baseline_gco2eq == pytest.approx(second.gco2eq)
    assert second.ended == second.baseline_ended


def test_a_round_that_was_due_before_a_pause_keeps_its_baseline_there():
    world = MemoryWorld("a", "b", hours=[900.0, 900.0, 900.0, 100.0])
    world.start(rounds=1)
    world.play(HOUR)
    world.pause()
    world.play(HOUR)
    world.resume()
    world.play(2 * HOUR)
    (closed,) = world.run().closed
    assert closed.started == NOON + 3 * HOUR
    assert closed.baseline_started == NOON
    assert closed.baseline_gco2eq == pytest.approx(9 * closed.gco2eq)


def test_what_a_schedule_made_due_in_a_pause_lapses():
    world = MemoryWorld("a", "b")
    world.start(rounds=1, cron="0 14 * * *")
    world.pause()
    world.play(5 * HOUR)
    world.resume()
    world.play(20 * HOUR)
    assert not world.run().closed
    world.play(2 * HOUR)
    (closed,) = world.run().closed
    assert closed.started == closed.baseline_started == NOON + 26 * HOUR


def test_the_hours_of_a_run_go_on_while_it_is_paused():
    world = MemoryWorld("a", "b")
    world.start(rounds=None, hours=3.0)
    world.engine.advance()
    world.pause()
    world.play(2 * HOUR)
    assert world.run().ended_at is None
    world.play(2 * HOUR)
    assert (world.run().end_reason, len(world.run().closed)) == ("hours", 1)


def test_a_paused_run_obeys_a_stop_and_issues_again_what_was_lost():
    world = MemoryWorld("a", "b", "c")
    world.work.lose = {"c"}
    world.start(rounds=2, cohort=3)
    world.engine.advance()
    world.pause()
    world.play(10 * MINUTE)
    assert [attempt for _, _, client, attempt in world.work.sent if client == "c"] == [0, 1, 2]
    assert len(world.run().closed) == 1
    world.stop()
    world.engine.advance()
    assert world.run().end_reason == "stopped"


def test_a_paused_run_sends_no_assignments_to_have_its_last_version_scored():
    world = scoring()
    world.engine.advance()
    world.pause()
    world.play(HOUR)
    assert world.run().complete
    assert [p.evaluates for p in payloads(world, RoundPlanned)] == [False]
    world.resume()
    world.play(HOUR)
    assert world.run().end_reason == "rounds"
    assert world.run().closed[0].metrics


def test_a_run_that_is_blocked_as_its_policy_fails_stays_blocked_while_it_is_paused():
    world = MemoryWorld("a", "b")
    world.start(rounds=2, policy="tests.unit.scheduler.rounds.test_engine:refuse")
    world.play(HOUR)
    world.pause()
    world.play(HOUR)
    assert world.run().status == "blocked"
    assert "run.unblocked" not in world.kinds()


def test_a_run_that_is_paused_while_its_policy_chooses_begins_no_round():
    world = MemoryWorld("a", "b")
    world.start(rounds=1)
    world.engine.observe()
    open_run(world.world, "r")
    world.history.meanwhile = world.pause
    plan(world.world, "r")
    assert payloads(world, RoundPlanned) == []
    assert world.run().status == "paused"


def test_nothing_is_expected_of_a_paused_run_but_its_open_round():
    world = MemoryWorld("a", "b")
    world.start(rounds=5)
    world.engine.advance()
    world.pause()
    expected = forecast_rounds(
        world.history.state, world.run(), world.world.grid, world.world.rules, world.clock.now,
        hours=24, grid_clock=GridClock(),
    )  # fmt: skip
    assert [(each.number, each.running) for each in expected] == [(1, True)]


# --- blocked ----------------------------------------------------------------------------------


def refuse(context: SelectionContext) -> list[str]:
    if context.rounds_left == 1:
        raise ZeroDivisionError
    return [candidate.client for candidate in context.candidates]


@pytest.mark.parametrize(
    ("step", "broken"),
    [("open", "open"), ("close", "make"), ("score", "score"), ("end", "export")],
)
def test_a_run_whose_step_fails_is_blocked_alone_and_goes_on_when_it_succeeds(step, broken):
    world = MemoryWorld("a", "b")
    world.learning.broken[f"bad.{broken}"] = BROKEN
    world.start("bad", rounds=1)
    world.start("good", rounds=2)
    world.play(HOUR)
    bad = world.run("bad")
    assert bad.status == "blocked"
    assert bad.blocked is not None
    assert (bad.blocked.step, bad.blocked.text) == (step, "It broke. Mend it.")
    assert len(payloads(world, RunBlocked, "bad")) == 1
    assert world.run("good").end_reason == "rounds"
    world.learning.broken.clear()
    world.play(HOUR)
    assert world.run("bad").end_reason == "rounds"
    assert world.run("bad").blocked is None
    assert ("run.unblocked" in world.kinds("bad")) == (step != "end")


def test_a_run_whose_policy_fails_is_blocked_and_a_stop_is_obeyed():
    world = MemoryWorld("a", "b")
    world.start("bad", rounds=2, policy="tests.unit.scheduler.rounds.test_engine:refuse")
    world.start("good", rounds=2)
    world.play(HOUR)
    blocked = world.run("bad").blocked
    assert blocked is not None
    assert blocked.step == "plan"
    assert "ZeroDivisionError" in blocked.text
    assert world.run("good").end_reason == "rounds"
    world.stop("bad")
    world.engine.advance()
    assert world.run("bad").end_reason == "stopped"


@pytest.mark.parametrize("broken", ["make", "score", "export"])
def test_a_stop_is_obeyed_whatever_fails(broken):
    world = MemoryWorld("a", "b")
    world.learning.broken[broken] = BROKEN
    world.start(rounds=1)
    world.play(10 * MINUTE)
    world.stop()
    world.engine.advance()
    (ended,) = payloads(world, RunEnded)
    assert ended.reason == "stopped"
    assert ended.text == ("It broke. Mend it." if broken == "export" else "")


def test_a_blocked_step_is_tried_again_with_growing_pauses():
    world = MemoryWorld("a", "b")
    world.learning.broken["open"] = BROKEN
    world.start()
    world.play(HOUR)
    tries = world.learning.calls.count("open")
    # At 0, 1, 2, 4 and 8 minutes, and then every five.
    assert tries == pytest.approx(4 + 60 / 5, abs=2)
    assert len(payloads(world, RunBlocked)) == 1
    world.learning.broken["open"] = WorkloadError("Something else broke.")
    world.play(6 * MINUTE)
    assert [p.text for p in payloads(world, RunBlocked)][1:] == ["Something else broke."]


def test_an_update_that_cannot_be_received_blocks_its_run_until_it_is():
    world = MemoryWorld("a", "b", "c")
    world.learning.broken["bad.admit"] = OSError("no space left")
    world.start("bad", rounds=1, cohort=2, quorum=2)
    world.play(2 * MINUTE)
    blocked = world.run("bad").blocked
    assert blocked is not None
    assert blocked.step == "receive"
    assert blocked.text.startswith("OSError: no space left.")
    world.learning.broken.clear()
    world.work.lose = set()
    cohort = list(world.open_round("bad").cohort)
    world.engine.reissue("bad", cohort, "lost")
    world.play(10 * MINUTE)
    assert world.run("bad").end_reason == "rounds"


class RudeError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "raised", [RudeError(), SystemExit(3), ValueError("\ud800"), WorkloadError("\ud800")]
)
def test_whatever_user_code_raises_blocks_its_run_alone_and_can_be_kept(raised):
    world = MemoryWorld("a", "b")
    world.learning.broken |= {"bad.score": raised, "bad.export": raised}
    world.start("bad", rounds=1)
    world.start("good", rounds=2)
    world.play(HOUR)
    assert world.run("good").end_reason == "rounds"
    assert world.run("bad").status == "blocked"
    world.stop("bad")
    world.engine.advance()
    assert world.run("bad").end_reason == "stopped"
    for event in world.history.events:
        assert read_payload(event.seq, event.kind, canonical(event.payload)) == event.payload


def test_a_signal_that_ends_the_process_is_not_taken_for_a_fault():
    world = MemoryWorld("a", "b")
    world.learning.broken["score"] = SystemExit(signal.SIGTERM - 256)
    world.start(rounds=1)
    with pytest.raises(SystemExit):
        world.play(HOUR)
    assert world.run().blocked is None


def test_a_run_goes_on_where_the_receipt_that_failed_never_comes_again():
    world = MemoryWorld("a", "b", "c", max_attempts=2)
    world.learning.broken["admit"] = OSError("no space left")
    world.start(rounds=1, cohort=2, quorum=2)
    world.play(2 * MINUTE)
    assert world.run().blocked is not None
    world.learning.broken.clear()
    world.work.lose = {"a", "b", "c"}
    # What the coordinator could not store is waited for until the deadline, two hours.
    while world.run().blocked is not None and world.clock.now < NOON + 3 * HOUR:
        world.clock.now += MINUTE
        world.engine.advance()
    assert {p.code for p in payloads(world, AssignmentGivenUp)} == {"undelivered"}
    world.work.lose = set()
    world.play(3 * HOUR)
    assert world.run().end_reason == "rounds"


def test_a_blocked_run_keeps_what_arrives():
    world = MemoryWorld("a", "b")
    world.learning.broken["score"] = BROKEN
    world.start(rounds=3)
    world.play(10 * MINUTE)
    assert world.run().blocked is not None
    assert len(world.open_round().accepted) == 2
    assert len(world.run().closed) == 1


# --- what is lost, and who else appends -------------------------------------------------------


def test_what_is_lost_is_issued_again_and_given_up_in_the_end():
    world = MemoryWorld("a", "b", "c", max_attempts=3)
    world.work.lose = {"c"}
    world.start(rounds=1, quorum=2, cohort=3)
    world.play(10 * MINUTE)
    attempts = [attempt for run, number, client, attempt in world.work.sent if client == "c"]
    assert attempts == [0, 1, 2]
    assert [p.code for p in payloads(world, AssignmentGivenUp)] == ["lost_too_often"]
    assert world.run().end_reason == "rounds"


@pytest.mark.parametrize(
    ("happens", "plans"),
    [
        (ClientSilent(), [["a", "b", "c"], ["a", "b"]]),
        (ClientEnrolled(zone="FR", num_examples=20), [["a", "b", "c"]]),
    ],
)
def test_a_plan_is_made_again_if_what_was_appended_meanwhile_touches_it(happens, plans):
    world = MemoryWorld("a", "b", "c")
    world.start(rounds=1, policy="tests.unit.scheduler.rounds.test_engine:count")
    world.engine.observe()
    seen.clear()
    open_run(world.world, "r")
    world.history.meanwhile = lambda: world.happen(happens, client="c")
    plan(world.world, "r")
    assert seen == plans
    assert list(world.open_round().cohort) == plans[-1]


seen: list[list[str]] = []


def count(context: SelectionContext) -> list[str]:
    clients = sorted(candidate.client for candidate in context.candidates)
    seen.append(clients)
    return clients


def test_gates_are_recorded_before_anything_is_planned():
    world = MemoryWorld("a", "b", hours=[900.0])
    world.start()
    world.play(5 * MINUTE)
    changed = payloads(world, GateChanged, run="")
    assert {gate.state for gate in changed} == {"closed"}
    assert "round.planned" not in world.kinds()
    assert world.run().waiting is not None
