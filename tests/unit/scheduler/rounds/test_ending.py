"""When a run is over: its rounds, its hours, its grams, or its user has had enough."""

import pytest

from scheduler.ledger.events import RoundEvaluated, RunWaiting
from scheduler.rounds.ending import end_reason
from tests.unit.scheduler.story import HOUR, Story, spec


def begun(**asked) -> Story:
    told = Story("a", "b")
    told.start(spec(**asked))
    return told


def reason(told: Story) -> str | None:
    return end_reason(told.state.runs["r"], told.now)


def do_round(told: Story, *, score: bool = True) -> None:
    told.plan("a", "b")
    told.answer("a")
    told.answer("b")
    told.close()
    if score:
        number = len(told.state.runs["r"].closed)
        told.tell(RoundEvaluated(metrics={"accuracy": 0.9}), run="r", number=number)


def test_a_run_goes_on_until_its_rounds_are_closed():
    told = begun(rounds=2)
    assert reason(told) is None
    do_round(told)
    assert reason(told) is None
    do_round(told)
    assert reason(told) == "rounds"


def test_the_last_version_waits_for_its_score_if_the_coordinator_can_score():
    told = begun(rounds=1)
    do_round(told, score=False)
    assert reason(told) is None
    told.tell(RoundEvaluated(metrics={}), run="r", number=1)
    assert reason(told) == "rounds"


def test_nobody_waits_for_a_score_that_nobody_can_make():
    told = begun(rounds=1)
    told.state.runs["r"].scored_here = False
    do_round(told, score=False)
    assert reason(told) == "rounds"


def test_hours_end_a_run_even_amid_a_round():
    told = begun(rounds=None, hours=2.0)
    told.plan("a", "b")
    told.later(2 * HOUR - HOUR / 60)
    assert reason(told) is None
    told.later(HOUR / 60)
    assert reason(told) == "hours"


def test_grams_end_a_run_between_rounds_once_nothing_is_left():
    told = begun(rounds=None, grams=0.3)  # a round costs 2 * 2 Wh * 50 g/kWh = 0.2 g
    do_round(told)
    assert reason(told) is None
    told.plan("a", "b")
    told.answer("a")
    assert told.state.runs["r"].spent_gco2eq == pytest.approx(0.3)
    assert reason(told) is None  # what was begun is finished
    told.answer("b")
    told.close()
    assert reason(told) is None  # no run ends before its last version is scored
    told.tell(RoundEvaluated(metrics={"accuracy": 0.9}), run="r", number=2)
    assert reason(told) == "grams"


def test_uncounted_work_spends_the_budget_too():
    told = begun(rounds=None, grams=0.1)
    told.plan("a", "b")
    told.answer("a", outcome="failed")
    assert told.state.runs["r"].spent_gco2eq == pytest.approx(0.1)


@pytest.mark.parametrize("amid_a_round", [False, True])
def test_a_budget_that_does_not_cover_what_is_planned_ends_the_run(amid_a_round):
    told = begun(rounds=None, grams=0.3)
    if amid_a_round:
        told.plan("a", "b")
        told.answer("a", outcome="declined", energy=None)
    told.tell(RunWaiting(reason="too_few"), run="r", number=1)
    assert reason(told) is None
    told.tell(RunWaiting(reason="over_budget"), run="r", number=1)
    assert reason(told) == "grams"


def test_a_plan_ends_the_wait_for_the_budget():
    told = begun(rounds=None, grams=0.3)
    told.tell(RunWaiting(reason="over_budget"), run="r", number=1)
    told.plan("a", "b")
    assert reason(told) is None
