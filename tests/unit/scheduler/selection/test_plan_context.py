"""What a plan asks its policy, and what it takes from the answer."""

from dataclasses import replace

from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult
from tests.unit.scheduler.selection.test_plan import plan, situation, some
from tests.unit.scheduler.story import MINUTE, Story

asked: list[SelectionContext] = []


def everybody(question: SelectionContext) -> SelectionResult:
    asked.append(question)
    clients = [candidate.client for candidate in question.candidates]
    return SelectionResult(clients, target=len(clients))


POLICY = f"{__name__}:everybody"


def test_a_policy_is_told_how_long_rounds_took():
    told = Story("a", "b")
    run = told.start()
    told.plan("a", "b")
    told.answer("a")
    told.answer("b")
    told.later(90 * MINUTE)
    told.close()
    asked.clear()
    plan(situation(*some(3), past=run.closed), policy=POLICY)
    assert [closed.hours for closed in asked[0].past] == [1.5]


def test_a_policy_is_told_how_often_rounds_may_begin():
    asked.clear()
    plan(situation(*some(3)), policy=POLICY, cron="0 */6 * * *")
    assert asked[0].interval_h == 6.0
    plan(situation(*some(3)), policy=POLICY)
    assert asked[1].interval_h == 0.0


def test_a_policy_may_aim_at_more_updates_than_the_run_does():
    made = plan(situation(*some(5)), policy=POLICY, cohort=2)
    assert (len(made.cohort), made.target) == (5, 5)


def test_a_round_under_way_is_topped_up_as_if_the_run_had_no_end_to_wait_for():
    told = Story("a", "b", "c")
    run = told.start()
    told.plan("a")
    asked.clear()
    here = replace(situation(*some(3)), hours_left=24.0)
    plan(here, policy=POLICY, hours=48)
    plan(here, policy=POLICY, hours=48, so_far=run.open_round)
    assert [question.hours_left for question in asked] == [24.0, None]
