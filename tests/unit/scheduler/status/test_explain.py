"""One explanation: what a run waits for is named, and every screen gets the same reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from common.clock import wall_now
from common.messages import Reason
from scheduler.ledger.events import ClientSilent, RunStopRequested
from scheduler.selection.plan import Situation, plan_round
from scheduler.selection.score_weights import score_weights
from scheduler.status.blocker import find_blockers
from scheduler.status.drivers import Busy, DriverName, Drivers
from scheduler.status.explain import explain_run
from scheduler.status.explanation import Explanation
from tests.unit.scheduler.story import HOUR, NOON, Story, gate, history, spec, steps

WEIGHTS = score_weights({})

CELERY = "celery -A tasks worker -Q"


def explained(story: Story, **more: Any) -> Explanation:
    return explain_run(
        story.state, story.state.runs.get("r"), now=story.now, wall_now=story.now, **more
    )


def seen(coordinator_s: float | None, beat_s: float | None) -> Drivers:
    ages_s = {"coordinator": coordinator_s, "beat": beat_s}
    return Drivers.seen(ages_s, now=NOON, silent_after_s=20.0)  # type: ignore[arg-type]


def waiting(*clients: str) -> Story:
    """Return a federation whose run of a quorum of two is due."""
    story = Story(*clients)
    story.start()
    return story


def test_a_site_whose_worker_is_not_running_is_named_with_the_command_that_starts_it():
    story = waiting("north", "oslo")
    story.tell(ClientSilent(), client="oslo")
    found = explained(story)
    assert found.sentence == (
        "Waiting for oslo: its worker is not running (2 needed, 1 ready). "
        f"Start: {CELERY} client.oslo"
    )
    assert (found.code, found.needed, found.ready) == ("too_few", 2, 1)
    assert found.to_dict()["blockers"] == {"silent": 1}


def test_a_site_that_was_never_started_is_told_from_one_that_stopped():
    story = waiting("north")
    story.enrol("oslo")
    assert "oslo: its worker has never been started" in explained(story).sentence


def test_several_sites_without_workers_are_named_once():
    story = waiting("a", "b", "c")
    for client in "ab":
        story.tell(ClientSilent(), client=client)
    assert explained(story).sentence == (
        "Waiting for a and b: their workers are not running (2 needed, 1 ready). "
        f"Start each at its site: {CELERY} client.a"
    )


def test_many_names_are_cut_short():
    story = waiting(*(f"s{n}" for n in range(9)))
    for n in range(9):
        story.gate(f"s{n}", "closed")
    assert explained(story).sentence == (
        "Waiting for clean power: the gates of s0, s1, s2, s3, s4 and 4 more are closed "
        "(2 needed, 0 ready)."
    )


def test_different_blockers_stand_side_by_side_the_failed_first():
    story = waiting("a", "b", "c")
    story.gate("a", "closed")
    story.plan("b", "c")
    why = Reason(code="site_failed", text="No data; the assignment failed; repair it.")
    story.answer("b", outcome="failed", reason=why)
    story.tell(ClientSilent(), client="c")
    assert explained(story).sentence == (
        "Round 1 has 0 of 2 updates. Waiting for clients (2 needed, 0 ready): b failed: no data; "
        "c: its worker is not running; the gate of a is closed. b is tried again at 12:00:10 UTC. "
        f"Start: {CELERY} client.c"
    )
    assert explained(story).blockers["b"].sentence == (
        "its training failed: no data; the assignment failed; repair it; it is tried again at "
        "12:00:10 UTC, or once its worker is restarted"
    )


def test_a_failed_site_is_named_while_others_train():
    story = waiting("a", "b", "c")
    story.plan("a", "b", "c")
    story.answer("c", outcome="failed", reason=Reason(code="site_failed", text="No data."))
    assert explained(story).sentence == "Training at a and b; c failed: no data."


def test_too_few_enrolled_clients_are_counted():
    story = waiting("a")
    assert explained(story).sentence == (
        "A round needs 2 clients, and 1 client is enrolled. "
        "Start a run with a smaller --quorum, or enrol another: "
        "fairwind enroll CLIENT --zone ZONE"
    )


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("0 22 * * *", "Next round 22:00 UTC, in 10 h."),
        ("49 19 * * *", "Next round 19:49 UTC, in 7 h 49 min."),
        ("0 6 * * *", "Next round Thu 06:00 UTC, in 18 h."),
        ("0 6 1 8 *", "Next round 2026-08-01 06:00 UTC, in 23 d 18 h."),
    ],
)
def test_a_round_that_is_not_due_says_when_it_is(cron, says):
    story = Story("a", "b")
    story.start(spec(cron=cron))
    found = explained(story)
    assert (found.code, found.sentence) == ("not_due", says)
    assert found.next_at is not None


def test_a_round_that_is_not_due_names_what_would_block_it_then_but_not_a_closed_gate():
    story = Story("a", "b")
    story.start(spec(cron="0 22 * * *"))
    story.gate("a", "closed")
    assert explained(story).sentence == "Next round 22:00 UTC, in 10 h."
    story.tell(ClientSilent(), client="b")
    assert explained(story).sentence == (
        "Next round 22:00 UTC, in 10 h. It cannot start yet (2 needed, 0 ready): b: its worker is "
        f"not running. Start: {CELERY} client.b"
    )


def test_a_missing_coordinator_goes_before_everything_but_the_end_of_a_run():
    story = waiting("a", "b")
    found = explained(story, drivers=seen(200.0, 1.0))
    assert found.code == "coordinator_missing"
    assert found.sentence == (
        "The coordinator was last seen 3 min 20 s ago, so nothing is planned, received or "
        f"aggregated. Start: {CELERY} coordinator,aggregation"
    )
    assert explained(story, drivers=seen(None, None)).sentence.startswith(
        "The coordinator is not running, so"
    )


def test_a_missing_beat_matters_while_no_round_is_open():
    story = waiting("a", "b")
    assert explained(story, drivers=seen(1.0, 21.0)).sentence == (
        "Beat was last seen 21 s ago, so no round starts by itself and no deadline is kept. "
        "Start: celery -A tasks beat"
    )
    story.plan("a", "b")
    assert explained(story, drivers=seen(1.0, 21.0)).code == "training"


def test_an_unusable_redis_is_what_a_run_waits_for():
    story = waiting("a", "b")
    drivers = Drivers.unusable("Redis does not answer. Start it.")
    found = explained(story, drivers=drivers)
    assert (found.code, found.sentence) == ("redis_unusable", "Redis does not answer. Start it.")
    assert drivers.level == "unusable"


@pytest.mark.parametrize(
    ("drivers", "level"),
    [
        (seen(20.0, 20.0), "running"),
        (seen(20.1, 0.0), "missing"),
        (seen(0.0, None), "missing"),
        (Drivers(looked=False), "unknown"),
    ],
)
def test_only_two_drivers_seen_within_twenty_seconds_are_running(drivers, level):
    assert drivers.level == level
    assert len(drivers.sentences()) == (level == "missing")


def test_a_task_that_holds_the_coordinator_up_is_named_after_three_times_the_silence():
    def held(for_s: float, age_s: float = 1.0) -> Drivers:
        ages: dict[DriverName, float | None] = {"coordinator": age_s, "beat": 1.0}
        busy = Busy("tick", for_s)
        return Drivers.seen(ages, now=wall_now(), silent_after_s=20.0, busy=busy)

    assert held(59.9).sentences() == []
    (sentence,) = held(240.0).sentences()
    assert sentence == (
        "The coordinator has been at its task tick for 4 min, and meanwhile nothing is planned, "
        "received or aggregated. If it does not end, look into its log and restart it."
    )
    assert held(240.0).line() == "coordinator at tick for 4 min, beat running, Redis answers"
    assert held(240.0).level == "running"
    assert held(240.0).to_dict()["each"][0]["held_up_by"] == "tick"
    # A coordinator that is not seen any more is missing, whatever it did.
    assert "was last seen" in held(240.0, 21.0).sentences()[0]


def test_a_decline_is_shown_for_its_hour_alone():
    story = Story("a", "b", "c")
    story.start()
    story.plan("a", "b", "c")
    story.answer(
        "c", outcome="declined", reason=Reason(code="above_site_ceiling", text="Too dirty")
    )
    assert explained(story).blockers["c"].clause == (
        "it declined: too dirty; it is invited again after 13:00 UTC"
    )
    story.later(2 * HOUR)
    assert "c" not in explained(story).blockers


def test_a_run_that_is_to_stop_says_so():
    story = waiting("a", "b")
    story.tell(RunStopRequested(), run="r")
    assert explained(story).sentence == "r is about to stop."


@given(steps)
def test_the_explanation_and_a_plan_give_each_client_the_same_reason(happenings):
    story = history(happenings)
    run = story.state.runs["r"]
    if run.ended_at is not None:
        return
    clients = [client for client in story.state.clients.values() if not client.retired]
    gates = {client.id: client.gate or gate("unknown") for client in clients}
    situation = Situation(
        now=story.now, clients=clients, gates=gates, readings=dict.fromkeys(gates),
        busy=frozenset(part.client for part in story.state.open_assignments()),
        problems=run.problems, wall_now=story.now, spent_gco2eq=0.0, past=run.closed, forecasts={},
        weights=WEIGHTS,
    )  # fmt: skip
    made = plan_round(run.spec, situation, number=1, so_far=run.open_round)
    blockers = find_blockers(story.state, run, now=story.now, wall_now=story.now, gates=gates)
    chosen = {"invited", "not_sampled", "over_budget"}
    expected = {v.client: v.code for v in made.verdicts if v.code not in chosen}
    assert {name: blocker.code for name, blocker in blockers.items()} == expected
