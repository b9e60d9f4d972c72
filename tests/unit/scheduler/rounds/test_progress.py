"""A round that waits says why, and says it again only when the reason changes."""

from dataclasses import replace

from scheduler.ledger.events import RunWaiting
from scheduler.rounds.progress import run_waiting, waiting_events
from scheduler.selection.plan import plan_round
from tests.unit.scheduler.selection.test_plan import situation, some
from tests.unit.scheduler.story import HOUR, MINUTE, NOON, Story, spec

ASKED = spec(rounds=1, hours=24.0, policy_options={"wait": 1.0})


def plan_on(*intensities: float):
    """Return the plan for a grid of these hours; all three say where they stand now."""
    at = situation(*some(3), hours_left=24.0, forecasts={"FR": intensities})
    return plan_round(ASKED, at, number=1, so_far=None)


def test_the_best_hour_is_kept_as_a_time_so_that_the_reason_stays_as_the_hours_go_by():
    story = Story("c0", "c1", "c2")
    run = story.start(ASKED)
    waits = run_waiting(plan_on(50.0, 40.0, 30.0, 60.0), NOON + 5 * MINUTE)
    assert waits.best_at == NOON + 2 * HOUR
    (news,) = waiting_events(run, waits)
    story.write(news)
    an_hour_on = run_waiting(plan_on(50.0, 30.0, 60.0), NOON + HOUR)
    assert an_hour_on.because != waits.because
    assert waiting_events(run, an_hour_on) == []
    later_still = run_waiting(plan_on(50.0, 60.0, 60.0, 30.0), NOON + HOUR)
    assert len(waiting_events(run, later_still)) == 1


def test_a_reason_of_another_kind_is_news():
    story = Story("c0", "c1", "c2")
    run = story.start(ASKED)
    story.tell(RunWaiting(reason="policy_waits"), run="r", number=1)
    plan = replace(plan_on(50.0, 40.0), waiting="too_few")
    assert len(waiting_events(run, run_waiting(plan, NOON))) == 1
