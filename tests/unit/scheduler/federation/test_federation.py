"""What events make of clients, runs and rounds: counted once, booked once, settled as it was."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from common.messages import Reason, Timings
from scheduler.federation.federation import Federation, SignalState
from scheduler.federation.fold import apply
from scheduler.federation.fold.change import change
from scheduler.federation.run import Run
from scheduler.ledger.events import (
    PAYLOADS,
    AssignmentFailed,
    AssignmentReissued,
    ClientPaused,
    ClientPolicyChanged,
    ClientResumed,
    ClientRetired,
    ClientSilent,
    Payload,
    ReceiptPayload,
    RoundEvaluated,
    RunEnded,
    SignalFellBack,
    SignalRecovered,
    UpdateAccepted,
    UpdateConflicting,
    UpdateDuplicate,
    UpdateLate,
    UpdateRefused,
    UpdateRestored,
)
from scheduler.selection.eligibility import part_code
from tests.unit.scheduler.story import (
    HOUR,
    MINUTE,
    NOON,
    Story,
    given_up,
    history,
    sha,
    spec,
    steps,
)


def under_way(*clients: str, **asked: Any) -> Story:
    """Return the story of a run whose first round has just invited everybody."""
    story = Story(*(clients or ("a", "b", "c")))
    story.start(spec(**asked))
    story.plan(*(clients or ("a", "b", "c")))
    return story


def test_a_client_is_enrolled_in_its_zone_and_silent_until_it_joins():
    story = Story()
    story.enrol("a", "DE", 500)
    client = story.state.clients["a"]
    assert (client.zone, client.num_examples, client.alive) == ("DE", 500, False)
    story.join("a", "i7")
    assert (client.alive, client.incarnation) == (True, "i7")
    story.tell(ClientSilent(), client="a")
    assert not client.alive


def test_enrolling_again_moves_a_client_and_keeps_its_experience():
    story = under_way()
    story.answer("a")
    story.tell(ClientRetired(), client="a")
    story.enrol("a", "PL", 10)
    client = story.state.clients["a"]
    assert (client.zone, client.num_examples, client.updates) == ("PL", 10, 1)
    assert not client.retired


def test_every_kind_of_event_changes_the_federation_in_its_own_way():
    # An update that is restored counts as it did when it was accepted.
    own = [payload for payload in PAYLOADS.values() if payload is not UpdateRestored]
    handlers = [change.dispatch(payload) for payload in own]
    assert len(set(handlers)) == len(own) == len(PAYLOADS) - 1
    assert change.dispatch(Payload) not in handlers
    assert change.dispatch(UpdateRestored) is change.dispatch(UpdateAccepted)


def test_folding_the_events_again_gives_the_same_federation():
    story = Story("a")
    again = Federation()
    for event in story.events:
        apply(again, event)
    assert again == story.state


def test_an_update_is_counted_and_the_client_learned_of():
    story = under_way()
    story.answer("a", utility=0.5)
    run, client = story.state.runs["r"], story.state.clients["a"]
    assert run.open_round is not None
    assert run.open_round.accepted["a"].sha256 == sha("a")
    assert (client.updates, client.energy_per_update_wh, client.latency_s) == (1, 2.0, 300.0)
    assert (client.utility, client.energy_wh) == (0.5, 2.0)
    assert client.gco2eq == pytest.approx(0.1)  # 2 Wh at 50 g/kWh


def test_experience_is_an_average_that_moves_by_three_tenths():
    story = under_way()
    story.answer("a")
    story.answer("b")
    story.close()
    story.plan("a", "b")
    energy = story.receipt("a").energy
    assert energy is not None
    story.answer("a", energy=energy.model_copy(update={"energy_wh": 4.0}))
    # From 2 Wh three tenths of the way to 4 Wh.
    assert story.state.clients["a"].energy_per_update_wh == pytest.approx(2.6)
    story.answer("b", energy=None)
    assert story.state.clients["b"].energy_per_update_wh == 2.0


def test_the_spread_of_the_latency_is_known_from_the_second_update_on():
    story = under_way("a", "b")
    client = story.state.clients["a"]
    story.answer("a")
    assert (client.latency_s, client.latency_spread_s) == (300.0, None)
    story.answer("b")
    story.close()
    story.plan("a", "b")
    story.answer("a")
    # The same latency again: no spread.
    assert client.latency_spread_s == 0.0
    open_round = story.state.runs["r"].open_round
    assert open_round is not None
    slower = replace(open_round.accepted["a"], latency_s=400.0)
    client.learn(slower, story.now, examples=0)
    # 100 s away from 300 s: the variance is 0.7 * (0 + 0.3 * 100**2) = 2100.
    assert client.latency_spread_s == pytest.approx(2100**0.5)
    assert client.latency_s == pytest.approx(330.0)


def test_energy_per_example_and_time_of_training_are_learned():
    story = under_way()
    story.answer("a", num_examples=50, timings=Timings(train_s=7.0))
    client = story.state.clients["a"]
    # 2 Wh = 7200 J, over 50 examples.
    assert client.energy_per_example_j == pytest.approx(144.0)
    assert client.train_s == 7.0
    assert story.state.clients["b"].energy_per_example_j is None


def test_reliability_counts_answers_and_a_decline_is_one():
    story = under_way("a", "b", "c")
    clients = story.state.clients
    assert [c.reliability for c in clients.values()] == [None, None, None]
    story.answer("a", outcome="declined")
    story.answer("b", outcome="failed")
    story.tell(given_up("deadline"), run="r", number=1, client="c")
    assert [c.reliability for c in clients.values()] == [1.0, 0.0, 0.0]
    story.plan("b", "c")
    story.answer("b")
    assert (clients["b"].asked, clients["b"].reliability) == (2, 0.5)


def test_an_answer_after_all_makes_up_for_having_been_given_up():
    story = under_way("a", "b")
    story.tell(given_up("lost_too_often"), run="r", number=1, client="a")
    story.answer("a")
    client = story.state.clients["a"]
    assert (client.asked, client.answered, client.unanswered) == (1, 1, 0)


def test_who_is_left_behind_by_a_round_that_met_its_target_is_not_unreliable():
    story = Story("a", "b", "c")
    story.start()
    story.plan("a", "b", "c", target=2)
    story.answer("a")
    story.answer("b")
    story.close()
    assert story.state.clients["c"].reliability is None


def test_the_share_of_idle_hardware_is_known_where_the_site_says_it():
    story = under_way()
    energy = story.receipt("a").energy
    assert energy is not None
    story.answer("a", energy=energy.model_copy(update={"idle_wh": 6.0}))
    story.answer("b")
    assert story.state.clients["a"].idle_share == pytest.approx(0.75)  # 6 Wh of 6 + 2
    assert story.state.clients["b"].idle_share is None


def test_who_speaks_for_a_zone_is_known_from_a_fallback_until_it_recovers():
    story = Story("a")
    story.tell(
        SignalFellBack(zone="FR", expected="neso", active_source="static", why="it is silent")
    )
    assert story.state.signals["FR"] == SignalState(
        "neso", "static", since=story.now, why="it is silent"
    )
    story.later(HOUR)
    story.tell(SignalRecovered(zone="FR", active_source="neso"))
    assert story.state.signals["FR"] == SignalState("neso", "neso", since=story.now)


def test_a_wait_begins_when_an_open_gate_closes_and_again_after_training():
    story = Story("a", "b")
    story.later(HOUR)
    story.gate("a", "closed")
    closed_at = story.now
    story.later(HOUR)
    story.gate("a", "unknown")
    assert story.state.clients["a"].waiting_since == closed_at
    story.start()
    story.plan("a", "b")
    story.answer("a")
    assert story.state.clients["a"].waiting_since == story.now


def test_uncounted_work_is_booked_to_the_run_and_the_client():
    story = under_way()
    story.answer("a", outcome="failed")
    run = story.state.runs["r"]
    assert run.uncounted_wh == 2.0
    assert run.uncounted_gco2eq == pytest.approx(0.1)
    assert story.state.clients["a"].energy_wh == 2.0
    assert story.state.clients["a"].updates == 0
    assert run.spent_gco2eq == pytest.approx(0.1)


def test_work_of_unknown_emissions_books_its_energy_alone():
    story = under_way()
    story.book(UpdateLate, story.receipt("a"), intensity=None)
    run = story.state.runs["r"]
    assert (run.uncounted_wh, run.uncounted_gco2eq) == (2.0, 0.0)


def test_work_that_was_never_measured_books_nothing():
    story = under_way()
    story.answer("a", outcome="declined", energy=None)
    assert story.state.runs["r"].uncounted_wh == 0.0
    assert story.state.runs["r"].totals.unreported == 1


@pytest.mark.parametrize(
    "kind",
    [
        UpdateLate,
        UpdateDuplicate,
        UpdateConflicting,
        UpdateRefused,
        AssignmentFailed,
    ],
)
def test_work_is_booked_once_however_often_it_is_told_of(kind):
    story = under_way()
    receipt = story.receipt("a")
    for _ in range(3):
        story.book(kind, receipt)
    assert story.state.runs["r"].uncounted_wh == 2.0
    assert story.state.clients["a"].energy_wh == 2.0
    story.later(MINUTE)
    story.book(UpdateLate, story.receipt("a"))  # other work: it began later
    assert story.state.runs["r"].uncounted_wh == 4.0


def test_counted_work_is_not_booked_a_second_time_as_late():
    story = under_way()
    receipt = story.receipt("a")
    story.book(UpdateAccepted, receipt)
    story.book(UpdateLate, receipt)
    assert story.state.runs["r"].uncounted_wh == 0.0
    assert story.state.clients["a"].energy_wh == 2.0


def test_an_update_of_another_round_never_counts_in_the_open_one():
    story = under_way()
    story.book(UpdateAccepted, story.receipt("a", round=2))
    open_round = story.state.runs["r"].open_round
    assert open_round is not None
    assert open_round.accepted == {}


def backing_off(story: Story) -> dict[str, int]:
    """Return the clients of run r that back off, and how many problems each had in a row."""
    problems = story.state.runs["r"].problems
    return {name: each.count for name, each in problems.items() if each.holds(story.now)}


def test_failures_in_a_row_are_counted_until_an_update_and_a_new_worker_is_tried_at_once():
    story = under_way("a", "b")
    run = story.state.runs["r"]
    story.answer("a", outcome="failed")
    story.answer("b", outcome="failed")
    assert backing_off(story) == {"a": 1, "b": 1}
    story.join("a", "i2")
    assert backing_off(story) == {"b": 1}
    assert run.problems["a"].count == 1
    story.tell(AssignmentReissued(attempt=1, code="lost"), run="r", number=1, client="b")
    story.answer("b")
    assert backing_off(story) == {}
    assert run.problems["b"].count == 0


def test_a_decline_holds_until_the_time_that_the_site_gave_or_a_new_worker():
    story = under_way()
    client = story.state.clients["a"]
    outside = Reason(code="outside_site_windows", text="-", not_before=story.now + HOUR)
    story.answer("a", outcome="declined", reason=outside)
    assert client.decline == outside
    assert client.reliability == 1.0
    story.join("a", "i2")
    assert client.decline is None


def test_a_training_that_took_too_long_is_tried_again_in_an_hour_or_by_a_new_worker():
    story = under_way()
    run = story.state.runs["r"]
    story.answer("a", outcome="failed", reason=Reason(code="too_long", text="-"))
    story.answer("b", outcome="failed", reason=Reason(code="site_failed", text="-"))
    story.later(HOUR - MINUTE)
    assert backing_off(story) == {"a": 1}
    story.later(MINUTE)
    assert backing_off(story) == {}
    story.later(-MINUTE)
    story.join("a", "i2")
    assert backing_off(story) == {}
    assert run.problems["a"].kind == "failure"


@pytest.mark.parametrize("code", ["over_limits", "run_not_allowed", "other_clock"])
def test_another_site_policy_ends_the_back_off_of_a_decline_at_once(code):
    story = under_way()
    story.tell(ClientPolicyChanged(version="0" * 12), client="a")
    story.answer("a", outcome="declined", reason=Reason(code=code, text="-"))
    assert backing_off(story) == {"a": 1}
    story.later(HOUR - MINUTE)
    assert backing_off(story) == {"a": 1}
    story.tell(ClientPolicyChanged(version="1" * 12), client="a")
    assert story.state.clients["a"].policy == "1" * 12
    assert backing_off(story) == {}
    round_ = story.state.runs["r"].open_round
    assert round_ is not None
    assert part_code(round_.cohort["a"], story.now) is None, "nor does it wait out the round"


def test_another_site_policy_ends_no_back_off_of_a_failure():
    story = under_way()
    story.answer("a", outcome="failed", reason=Reason(code="site_failed", text="-"))
    story.tell(ClientPolicyChanged(version="1" * 12), client="a")
    assert backing_off(story) == {"a": 1}


def test_a_site_that_changes_its_policy_at_every_decline_is_no_hot_loop():
    story = under_way()
    held = []
    for number in range(9):
        if number:
            again = AssignmentReissued(attempt=number, code="lost")
            story.tell(again, run="r", number=1, client="a")
        story.answer("a", outcome="declined", reason=Reason(code="over_limits", text="-"))
        story.tell(ClientPolicyChanged(version=f"{number:012}"), client="a")
        held.append(backing_off(story) != {})
    assert held == [False] * 5 + [True] * 4


def test_a_client_is_paused_until_it_is_resumed():
    story = Story("a")
    story.tell(ClientPaused(), client="a")
    story.join("a", "i2")
    assert story.state.clients["a"].paused
    story.tell(ClientResumed(), client="a")
    assert not story.state.clients["a"].paused


def test_being_lost_too_often_counts_as_a_failure_but_being_too_slow_does_not():
    story = under_way()
    story.tell(given_up("lost_too_often"), run="r", number=1, client="a")
    story.tell(given_up("deadline"), run="r", number=1, client="b")
    problems = story.state.runs["r"].problems
    assert {name: each.kind for name, each in problems.items()} == {"a": "failure", "b": "overdue"}


def test_closing_publishes_the_version_and_makes_the_next_round_due():
    story = under_way()
    story.answer("a")
    story.answer("b")
    story.later(MINUTE)
    story.close()
    run = story.state.runs["r"]
    assert (run.version, run.open_round, run.due_at) == (sha("v1"), None, story.now)
    assert run.closed[0].cohort == ("a", "b")
    assert run.closed[0].wall_seconds == 60.0
    assert run.counted_gco2eq == pytest.approx(0.2)
    assert run.status == "waiting"


def test_with_a_schedule_the_next_round_is_due_at_the_occurrence_after_this_one_was_planned():
    story = under_way(cron="0 */2 * * *")
    run = story.state.runs["r"]
    assert run.due_at == story.now + 2 * HOUR
    story.answer("a")
    story.answer("b")
    story.later(9 * HOUR)
    assert run.open_round is not None
    planned = run.open_round.grid_planned_at
    story.close()
    assert run.due_at == spec(cron="0 */2 * * *").due(planned)


def test_occurrences_that_pass_while_a_round_waits_lapse():
    story = under_way(cron="0 */2 * * *")
    run = story.state.runs["r"]
    story.answer("a")
    story.answer("b")
    story.close()
    story.later(9 * HOUR)  # no round in all that time: every gate was closed
    story.plan("a", "b")
    planned = story.now
    story.answer("a", "a2")
    story.answer("b", "b2")
    story.close()
    assert run.due_at is not None
    assert run.due_at > planned


def test_the_best_version_is_the_one_with_the_best_score_not_the_last():
    story = under_way("a", "b")
    for number, accuracy in enumerate([0.5, 0.9, 0.7], start=1):
        if number > 1:
            story.plan("a", "b")
        story.answer("a", f"a{number}")
        story.close()
        story.tell(RoundEvaluated(metrics={"accuracy": accuracy}), run="r", number=number)
    run = story.state.runs["r"]
    assert (run.best_version, run.best_value) == (sha("v2"), 0.9)
    assert run.version == sha("v3")
    assert run.complete


def test_the_best_loss_is_the_least():
    run = Run(spec(metric="loss"), NOON, NOON, lower_is_better=True, best_value=0.2)
    assert run.better(0.1)
    assert not run.better(0.3)
    assert Run(spec(), NOON, NOON).better(0.3)


def test_a_run_that_ends_amid_a_round_books_what_was_spent_on_it():
    story = under_way()
    story.answer("a")
    run = story.state.runs["r"]
    spent = run.spent_gco2eq
    story.tell(RunEnded(reason="stopped"), run="r")
    assert (run.status, run.open_round) == ("ended", None)
    assert run.uncounted_wh == 2.0
    assert run.spent_gco2eq == pytest.approx(spent)
    assert story.state.open_assignments() == []
    assert story.answer("b") == "late"
    assert run.uncounted_wh == 4.0
    assert story.answer("a") == "late"
    assert run.uncounted_wh == 4.0


def test_a_client_works_for_the_run_whose_assignment_it_holds():
    story = under_way("a", "b")
    run = story.state.runs["r"]
    assert story.state.working_for("a") is run
    assert [part.client for part in story.state.open_assignments()] == ["a", "b"]
    story.answer("a")
    assert story.state.working_for("a") is None
    assert [part.client for part in story.state.open_assignments()] == ["b"]


def test_the_run_that_waited_longest_for_a_plan_comes_first():
    story = Story("a", "b")
    story.start()
    story.start(spec(id="s"))
    assert [run.id for run in story.state.active_runs()] == ["r", "s"]
    story.plan("a", "b")
    assert [run.id for run in story.state.active_runs()] == ["s", "r"]
    story.tell(RunEnded(reason="stopped"), run="s")
    assert [run.id for run in story.state.active_runs()] == ["r"]


@given(steps=steps)
def test_whatever_happens_energy_is_booked_exactly_once(steps):
    story = history(steps)
    run = story.state.runs["r"]
    works = {
        (event.round, event.client, event.payload.work.started_at)
        for event in story.events
        if isinstance(event.payload, ReceiptPayload) and event.payload.work.energy_wh
    }
    booked = sum(closed.energy_wh for closed in run.closed) + run.uncounted_wh
    if run.open_round is not None:
        booked += sum(update.energy_wh or 0.0 for update in run.open_round.accepted.values())
    assert booked == 2.0 * len(works)
    assert sum(client.energy_wh for client in story.state.clients.values()) == booked


@given(steps=steps)
def test_an_update_counts_once_a_round_and_client(steps):
    story = history(steps)
    counted = [(e.round, e.client) for e in story.events if e.kind == "update.accepted"]
    assert len(set(counted)) == len(counted)
    run = story.state.runs["r"]
    for closed in run.closed:
        assert set(closed.cohort) == {
            client for number, client in counted if number == closed.number
        }
        assert [line.client for line in closed.manifest] == list(closed.cohort)
    assert [closed.number for closed in run.closed] == list(range(1, len(run.closed) + 1))


@given(steps=steps)
def test_a_client_has_one_open_assignment_at_most(steps):
    names = [part.client for part in history(steps).state.open_assignments()]
    assert len(set(names)) == len(names)


def test_a_gate_that_stays_as_it_is_shows_what_holds_now():
    story = Story("a")
    story.read("FR", 80.0)
    gate = story.state.clients["a"].gate
    assert gate is not None
    assert gate.numbers["intensity_gco2eq_per_kwh"] == 80.0
    assert (gate.state, gate.since) == ("open", story.now)
    story.gate("a", "unknown")
    story.read("FR", 90.0)
    assert story.state.clients["a"].gate is not None
    assert story.state.clients["a"].gate.numbers == {}
