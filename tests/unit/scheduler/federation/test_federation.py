"""What events make of clients, runs and rounds: counted once, booked once, settled as it was."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from common.messages import Reason, Timings
from scheduler.federation.federation import Federation, SignalState
from scheduler.federation.fold import apply
from scheduler.federation.fold.change import change
from scheduler.ledger.events import (
    PAYLOADS,
    AssignmentFailed,
    AssignmentReissued,
    ClientPaused,
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
)
from tests.unit.scheduler.story import HOUR, MINUTE, Story, given_up, history, sha, spec, steps


def under_way(*clients: str, **asked: Any) -> Story:
    """Return the story of a run whose first round has just invited everybody."""
    told = Story(*(clients or ("a", "b", "c")))
    told.start(spec(**asked))
    told.plan(*(clients or ("a", "b", "c")))
    return told


def test_a_client_is_enrolled_in_its_zone_and_silent_until_it_joins():
    told = Story()
    told.enrol("a", "DE", 500)
    client = told.state.clients["a"]
    assert (client.zone, client.num_examples, client.alive) == ("DE", 500, False)
    told.join("a", "i7")
    assert (client.alive, client.incarnation) == (True, "i7")
    told.tell(ClientSilent(), client="a")
    assert not client.alive


def test_enrolling_again_moves_a_client_and_keeps_its_experience():
    told = under_way()
    told.answer("a")
    told.tell(ClientRetired(), client="a")
    told.enrol("a", "PL", 10)
    client = told.state.clients["a"]
    assert (client.zone, client.num_examples, client.updates) == ("PL", 10, 1)
    assert not client.retired


def test_every_kind_of_event_changes_the_federation_in_its_own_way():
    handlers = [change.dispatch(payload) for payload in PAYLOADS.values()]
    assert len(set(handlers)) == len(PAYLOADS)
    assert change.dispatch(Payload) not in handlers


def test_folding_the_events_again_gives_the_same_federation():
    told = Story("a")
    again = Federation()
    for event in told.events:
        apply(again, event)
    assert again == told.state


def test_an_update_is_counted_and_the_client_learned_of():
    told = under_way()
    told.answer("a", utility=0.5)
    run, client = told.state.runs["r"], told.state.clients["a"]
    assert run.open_round is not None
    assert run.open_round.accepted["a"].sha256 == sha("a")
    assert (client.updates, client.energy_per_update_wh, client.latency_s) == (1, 2.0, 300.0)
    assert (client.utility, client.energy_wh) == (0.5, 2.0)
    assert client.gco2eq == pytest.approx(0.1)  # 2 Wh at 50 g/kWh


def test_experience_is_an_average_that_moves_by_three_tenths():
    told = under_way()
    told.answer("a")
    told.answer("b")
    told.close()
    told.plan("a", "b")
    energy = told.receipt("a").energy
    assert energy is not None
    told.answer("a", energy=energy.model_copy(update={"energy_wh": 4.0}))
    # From 2 Wh three tenths of the way to 4 Wh.
    assert told.state.clients["a"].energy_per_update_wh == pytest.approx(2.6)
    told.answer("b", energy=None)
    assert told.state.clients["b"].energy_per_update_wh == 2.0


def test_the_spread_of_the_latency_is_known_from_the_second_update_on():
    told = under_way("a", "b")
    client = told.state.clients["a"]
    told.answer("a")
    assert (client.latency_s, client.latency_spread_s) == (300.0, None)
    told.answer("b")
    told.close()
    told.plan("a", "b")
    told.answer("a")
    # The same latency again: no spread.
    assert client.latency_spread_s == 0.0
    open_round = told.state.runs["r"].open_round
    assert open_round is not None
    slower = replace(open_round.accepted["a"], latency_s=400.0)
    client.learn(slower, told.now, examples=0)
    # 100 s away from 300 s: the variance is 0.7 * (0 + 0.3 * 100**2) = 2100.
    assert client.latency_spread_s == pytest.approx(2100**0.5)
    assert client.latency_s == pytest.approx(330.0)


def test_energy_per_example_and_time_of_training_are_learned():
    told = under_way()
    told.answer("a", num_examples=50, timings=Timings(train_s=7.0))
    client = told.state.clients["a"]
    # 2 Wh = 7200 J, over 50 examples.
    assert client.energy_per_example_j == pytest.approx(144.0)
    assert client.train_s == 7.0
    assert told.state.clients["b"].energy_per_example_j is None


def test_reliability_counts_answers_and_a_decline_is_one():
    told = under_way("a", "b", "c")
    clients = told.state.clients
    assert [c.reliability for c in clients.values()] == [None, None, None]
    told.answer("a", outcome="declined")
    told.answer("b", outcome="failed")
    told.tell(given_up("deadline"), run="r", number=1, client="c")
    assert [c.reliability for c in clients.values()] == [1.0, 0.0, 0.0]
    told.plan("b", "c")
    told.answer("b")
    assert (clients["b"].asked, clients["b"].reliability) == (2, 0.5)


def test_an_answer_after_all_makes_up_for_having_been_given_up():
    told = under_way("a", "b")
    told.tell(given_up("lost_too_often"), run="r", number=1, client="a")
    told.answer("a")
    client = told.state.clients["a"]
    assert (client.asked, client.answered, client.unanswered) == (1, 1, 0)


def test_who_is_left_behind_by_a_round_that_met_its_target_is_not_unreliable():
    told = Story("a", "b", "c")
    told.start()
    told.plan("a", "b", "c", target=2)
    told.answer("a")
    told.answer("b")
    told.close()
    assert told.state.clients["c"].reliability is None


def test_the_share_of_idle_hardware_is_known_where_the_site_says_it():
    told = under_way()
    energy = told.receipt("a").energy
    assert energy is not None
    told.answer("a", energy=energy.model_copy(update={"idle_wh": 6.0}))
    told.answer("b")
    assert told.state.clients["a"].idle_share == pytest.approx(0.75)  # 6 Wh of 6 + 2
    assert told.state.clients["b"].idle_share is None


def test_who_speaks_for_a_zone_is_known_from_a_fallback_until_it_recovers():
    told = Story("a")
    told.tell(
        SignalFellBack(zone="FR", expected="neso", active_source="static", why="it is silent")
    )
    assert told.state.signals["FR"] == SignalState(
        "neso", "static", since=told.now, why="it is silent"
    )
    told.later(HOUR)
    told.tell(SignalRecovered(zone="FR", active_source="neso"))
    assert told.state.signals["FR"] == SignalState("neso", "neso", since=told.now)


def test_a_wait_begins_when_an_open_gate_closes_and_again_after_training():
    told = Story("a", "b")
    told.later(HOUR)
    told.gate("a", "closed")
    closed_at = told.now
    told.later(HOUR)
    told.gate("a", "unknown")
    assert told.state.clients["a"].waiting_since == closed_at
    told.start()
    told.plan("a", "b")
    told.answer("a")
    assert told.state.clients["a"].waiting_since == told.now


def test_uncounted_work_is_booked_to_the_run_and_the_client():
    told = under_way()
    told.answer("a", outcome="failed")
    run = told.state.runs["r"]
    assert run.uncounted_wh == 2.0
    assert run.uncounted_gco2eq == pytest.approx(0.1)
    assert told.state.clients["a"].energy_wh == 2.0
    assert told.state.clients["a"].updates == 0
    assert run.spent_gco2eq == pytest.approx(0.1)


def test_work_of_unknown_emissions_books_its_energy_alone():
    told = under_way()
    told.book(UpdateLate, told.receipt("a"), intensity=None)
    run = told.state.runs["r"]
    assert (run.uncounted_wh, run.uncounted_gco2eq) == (2.0, 0.0)


def test_work_that_was_never_measured_books_nothing():
    told = under_way()
    told.answer("a", outcome="declined", energy=None)
    assert told.state.runs["r"].uncounted_wh == 0.0
    assert told.state.runs["r"].totals.unreported == 1


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
    told = under_way()
    receipt = told.receipt("a")
    for _ in range(3):
        told.book(kind, receipt)
    assert told.state.runs["r"].uncounted_wh == 2.0
    assert told.state.clients["a"].energy_wh == 2.0
    told.later(MINUTE)
    told.book(UpdateLate, told.receipt("a"))  # other work: it began later
    assert told.state.runs["r"].uncounted_wh == 4.0


def test_counted_work_is_not_booked_a_second_time_as_late():
    told = under_way()
    receipt = told.receipt("a")
    told.book(UpdateAccepted, receipt)
    told.book(UpdateLate, receipt)
    assert told.state.runs["r"].uncounted_wh == 0.0
    assert told.state.clients["a"].energy_wh == 2.0


def test_an_update_of_another_round_never_counts_in_the_open_one():
    told = under_way()
    told.book(UpdateAccepted, told.receipt("a", round=2))
    open_round = told.state.runs["r"].open_round
    assert open_round is not None
    assert open_round.accepted == {}


def test_failures_in_a_row_are_counted_until_an_update_or_a_new_worker():
    told = under_way("a", "b")
    run = told.state.runs["r"]
    told.answer("a", outcome="failed")
    told.answer("b", outcome="failed")
    assert run.failures == {"a": 1, "b": 1}
    told.join("a", "i2")
    assert run.failures == {"b": 1}
    told.tell(AssignmentReissued(attempt=1, code="lost"), run="r", number=1, client="b")
    told.answer("b")
    assert run.failures == {}


def test_a_decline_holds_until_the_time_that_the_site_gave_or_a_new_worker():
    told = under_way()
    client = told.state.clients["a"]
    outside = Reason(code="outside_site_windows", text="-", not_before=told.now + HOUR)
    told.answer("a", outcome="declined", reason=outside)
    assert client.decline == outside
    assert (client.reliability, told.state.runs["r"].failures) == (1.0, {})
    told.join("a", "i2")
    assert client.decline is None


def test_a_training_that_took_too_long_is_remembered_until_a_new_worker():
    told = under_way()
    run = told.state.runs["r"]
    told.answer("a", outcome="failed", reason=Reason(code="too_long", text="-"))
    told.answer("b", outcome="failed", reason=Reason(code="site_failed", text="-"))
    assert run.too_long == {"a"}
    told.join("a", "i2")
    assert run.too_long == set()


def test_a_client_is_paused_until_it_is_resumed():
    told = Story("a")
    told.tell(ClientPaused(), client="a")
    told.join("a", "i2")
    assert told.state.clients["a"].paused
    told.tell(ClientResumed(), client="a")
    assert not told.state.clients["a"].paused


def test_being_lost_too_often_counts_as_a_failure_but_being_too_slow_does_not():
    told = under_way()
    told.tell(given_up("lost_too_often"), run="r", number=1, client="a")
    told.tell(given_up("deadline"), run="r", number=1, client="b")
    assert told.state.runs["r"].failures == {"a": 1}


def test_closing_publishes_the_version_and_makes_the_next_round_due():
    told = under_way()
    told.answer("a")
    told.answer("b")
    told.later(MINUTE)
    told.close()
    run = told.state.runs["r"]
    assert (run.version, run.open_round, run.due_at) == (sha("v1"), None, told.now)
    assert run.closed[0].cohort == ("a", "b")
    assert run.closed[0].wall_seconds == 60.0
    assert run.counted_gco2eq == pytest.approx(0.2)
    assert run.status == "waiting"


def test_with_a_schedule_the_next_round_is_due_at_the_occurrence_after_this_one_was_planned():
    told = under_way(cron="0 */2 * * *")
    run = told.state.runs["r"]
    assert run.due_at == told.now + 2 * HOUR
    told.answer("a")
    told.answer("b")
    told.later(9 * HOUR)
    assert run.open_round is not None
    planned = run.open_round.grid_planned_at
    told.close()
    assert run.due_at == spec(cron="0 */2 * * *").due(planned)


def test_occurrences_that_pass_while_a_round_waits_lapse():
    told = under_way(cron="0 */2 * * *")
    run = told.state.runs["r"]
    told.answer("a")
    told.answer("b")
    told.close()
    told.later(9 * HOUR)  # no round in all that time: every gate was closed
    told.plan("a", "b")
    planned = told.now
    told.answer("a", "a2")
    told.answer("b", "b2")
    told.close()
    assert run.due_at is not None
    assert run.due_at > planned


def test_the_best_version_is_the_one_with_the_best_score_not_the_last():
    told = under_way("a", "b")
    for number, accuracy in enumerate([0.5, 0.9, 0.7], start=1):
        if number > 1:
            told.plan("a", "b")
        told.answer("a", f"a{number}")
        told.close()
        told.tell(RoundEvaluated(metrics={"accuracy": accuracy}), run="r", number=number)
    run = told.state.runs["r"]
    assert (run.best_version, run.best_value) == (sha("v2"), 0.9)
    assert run.version == sha("v3")
    assert run.complete


def test_the_best_loss_is_the_least():
    assert spec(metric="loss").better(0.1, 0.2)
    assert not spec(metric="loss").better(0.3, 0.2)
    assert spec().better(0.3, None)


def test_a_run_that_ends_amid_a_round_books_what_was_spent_on_it():
    told = under_way()
    told.answer("a")
    run = told.state.runs["r"]
    spent = run.spent_gco2eq
    told.tell(RunEnded(reason="stopped"), run="r")
    assert (run.status, run.open_round) == ("ended", None)
    assert run.uncounted_wh == 2.0
    assert run.spent_gco2eq == pytest.approx(spent)
    assert told.state.open_assignments() == []
    assert told.answer("b") == "late"
    assert run.uncounted_wh == 4.0
    assert told.answer("a") == "late"
    assert run.uncounted_wh == 4.0


def test_a_client_works_for_the_run_whose_assignment_it_holds():
    told = under_way("a", "b")
    run = told.state.runs["r"]
    assert told.state.working_for("a") is run
    assert [part.client for part in told.state.open_assignments()] == ["a", "b"]
    told.answer("a")
    assert told.state.working_for("a") is None
    assert [part.client for part in told.state.open_assignments()] == ["b"]


def test_the_run_that_waited_longest_for_a_plan_comes_first():
    told = Story("a", "b")
    told.start()
    told.start(spec(id="s"))
    assert [run.id for run in told.state.active_runs()] == ["r", "s"]
    told.plan("a", "b")
    assert [run.id for run in told.state.active_runs()] == ["s", "r"]
    told.tell(RunEnded(reason="stopped"), run="s")
    assert [run.id for run in told.state.active_runs()] == ["r"]


@given(steps=steps)
def test_whatever_happens_energy_is_booked_exactly_once(steps):
    told = history(steps)
    run = told.state.runs["r"]
    works = {
        (event.round, event.client, event.payload.work.started_at)
        for event in told.events
        if isinstance(event.payload, ReceiptPayload) and event.payload.work.energy_wh
    }
    booked = sum(closed.energy_wh for closed in run.closed) + run.uncounted_wh
    if run.open_round is not None:
        booked += sum(update.energy_wh or 0.0 for update in run.open_round.accepted.values())
    assert booked == 2.0 * len(works)
    assert sum(client.energy_wh for client in told.state.clients.values()) == booked


@given(steps=steps)
def test_an_update_counts_once_a_round_and_client(steps):
    told = history(steps)
    counted = [(e.round, e.client) for e in told.events if e.kind == "update.accepted"]
    assert len(set(counted)) == len(counted)
    run = told.state.runs["r"]
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
    told = Story("a")
    told.read("FR", 80.0)
    gate = told.state.clients["a"].gate
    assert gate is not None
    assert gate.numbers["intensity_gco2eq_per_kwh"] == 80.0
    assert (gate.state, gate.since) == ("open", told.now)
    told.gate("a", "unknown")
    told.read("FR", 90.0)
    assert told.state.clients["a"].gate is not None
    assert told.state.clients["a"].gate.numbers == {}
