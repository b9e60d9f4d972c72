"""When a run is over: its rounds, its hours, its grams, or its user has had enough."""

import pytest

from scheduler.ledger.events import RoundEvaluated, RunWaiting
from scheduler.rounds.ending import end_reason
from tests.unit.scheduler.story import HOUR, Story, spec


def begun(**asked) -> Story:
    story = Story("a", "b")
    story.start(spec(**asked))
    return story


def reason(story: Story) -> str | None:
    return end_reason(story.state.runs["r"], story.now)


def do_round(story: Story, *, score: bool = True) -> None:
    story.plan("a", "b")
    story.answer("a")
    story.answer("b")
    story.close()
    if score:
        number = len(story.state.runs["r"].closed)
        story.tell(RoundEvaluated(metrics={"accuracy": 0.9}), run="r", number=number)


def test_a_run_goes_on_until_its_rounds_are_closed():
    story = begun(rounds=2)
    assert reason(story) is None
    do_round(story)
    assert reason(story) is None
    do_round(story)
    assert reason(story) == "rounds"


def test_the_last_version_waits_for_its_score_if_the_coordinator_can_score():
    story = begun(rounds=1)
    do_round(story, score=False)
    assert reason(story) is None
    story.tell(RoundEvaluated(metrics={}), run="r", number=1)
    assert reason(story) == "rounds"


def test_nobody_waits_for_a_score_that_nobody_can_make():
    story = begun(rounds=1)
    story.state.runs["r"].scored_here = False
    do_round(story, score=False)
    assert reason(story) == "rounds"


def test_hours_end_a_run_even_amid_a_round():
    story = begun(rounds=None, hours=2.0)
    story.plan("a", "b")
    story.later(2 * HOUR - HOUR / 60)
    assert reason(story) is None
    story.later(HOUR / 60)
    assert reason(story) == "hours"


def test_grams_end_a_run_between_rounds_once_nothing_is_left():
    story = begun(rounds=None, grams=0.3)  # a round costs 2 * 2 Wh * 50 g/kWh = 0.2 g
    do_round(story)
    assert reason(story) is None
    story.plan("a", "b")
    story.answer("a")
    assert story.state.runs["r"].spent_gco2eq == pytest.approx(0.3)
    assert reason(story) is None  # what was begun is finished
    story.answer("b")
    story.close()
    assert reason(story) is None  # no run ends before its last version is scored
    story.tell(RoundEvaluated(metrics={"accuracy": 0.9}), run="r", number=2)
    assert reason(story) == "grams"


def test_uncounted_work_spends_the_budget_too():
    story = begun(rounds=None, grams=0.1)
    story.plan("a", "b")
    story.answer("a", outcome="failed")
    assert story.state.runs["r"].spent_gco2eq == pytest.approx(0.1)


@pytest.mark.parametrize("amid_a_round", [False, True])
def test_a_budget_that_does_not_cover_what_is_planned_ends_the_run(amid_a_round):
    story = begun(rounds=None, grams=0.3)
    if amid_a_round:
        story.plan("a", "b")
        story.answer("a", outcome="declined", energy=None)
    story.tell(RunWaiting(reason="too_few"), run="r", number=1)
    assert reason(story) is None
    story.tell(RunWaiting(reason="over_budget"), run="r", number=1)
    assert reason(story) == "grams"


def test_a_plan_ends_the_wait_for_the_budget():
    story = begun(rounds=None, grams=0.3)
    story.tell(RunWaiting(reason="over_budget"), run="r", number=1)
    story.plan("a", "b")
    assert reason(story) is None
