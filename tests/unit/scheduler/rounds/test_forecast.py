"""The forecast: what is expected of a run, hour by hour, as the scheduler will decide it."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest

from common.clock import GridClock
from common.errors import SignalError
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.grid import Grid
from scheduler.carbon.reading import Reading
from scheduler.gate.gate import GateRule
from scheduler.ledger.events import RunEnded
from scheduler.rounds.forecast import ExpectedRound, forecast_rounds, why
from scheduler.rounds.world import Rules
from scheduler.selection.score_weights import WEIGHTS
from tests.unit.scheduler.story import HOUR, MINUTE, NOON, Story, spec

RULE = GateRule(
    threshold_gco2eq_per_kwh=200.0,
    ceiling_gco2eq_per_kwh=1000.0,
    patience=timedelta(hours=72),
    dwell=timedelta(0),
)


class Told:
    """A signal that knows these hours of each zone, from noon on."""

    name = "told"

    def __init__(self, **hours: list[float]) -> None:
        self._hours = hours

    def zones(self) -> tuple[str, ...]:
        return tuple(self._hours)

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        found = [
            Reading(zone, at, at + HOUR, value, "told", FLOW_TRACED, "forecast")
            for n, value in enumerate(self._hours[zone])
            if (at := NOON + n * HOUR) < end and at + HOUR > start
        ]
        if not found:
            msg = "nothing is known"
            raise SignalError(msg)
        return found


def began(*, done: int = 1, **changes: Any) -> Story:
    """Return a run in which a and b have closed rounds of half an hour, with 2 Wh each."""
    story = Story("a", "b")
    story.start(spec(**({"rounds": 4, "policy": "all", "deadline_s": 7200} | changes)))
    for _ in range(done):
        story.plan("a", "b")
        story.later(30 * MINUTE)
        story.answer("a")
        story.answer("b")
        story.close()
        for client in story.state.clients.values():
            client.latency_s = 1800.0
    return story


def look(
    story: Story, *hours: float, ahead: int = 12, is_stopped: Callable[[], bool] = lambda: False
) -> list[ExpectedRound]:
    rules = Rules(gate=RULE, weights=WEIGHTS, valid=HOUR, max_attempts=3, network_kwh_per_gb=0.0)
    return forecast_rounds(
        story.state, story.state.runs["r"], Grid(Told(FR=list(hours))), rules, story.now,
        hours=ahead, grid_clock=GridClock(), is_stopped=is_stopped,
    )  # fmt: skip


def starts(found: list[ExpectedRound], *, held: bool = True) -> list[float]:
    return [(each.start - NOON) / HOUR for each in found if (each.waiting is None) == held]


def test_a_round_follows_the_other_as_soon_as_one_like_those_before_it_ends():
    found = look(began(), *[100.0] * 12)
    assert starts(found) == [0.5, 1.0, 1.5]
    assert [each.number for each in found] == [2, 3, 4]
    assert found[0].cohort == ("a", "b")
    assert found[0].zones == {"FR": 2}
    assert found[0].end - found[0].start == 30 * MINUTE


def test_without_experience_a_round_lasts_to_the_end_of_its_hour():
    found = look(began(done=0), *[100.0] * 12)
    assert starts(found) == [0.0, 1.0, 2.0, 3.0]
    assert found[0].gco2eq is None


def test_it_waits_while_gates_are_expected_to_be_closed():
    story = began()
    found = look(story, 100.0, 300.0, 300.0, 100.0, 100.0, 100.0)
    assert starts(found) == [0.5, 3.0, 3.5]
    wait = found[1]
    assert (wait.start - NOON, wait.end - NOON) == (HOUR, 3 * HOUR)
    assert wait.waiting == "too_few"
    assert why(wait, story.state.runs["r"]).startswith("waits: fewer clients can train")


def test_grams_are_those_of_the_hour_and_run_now_those_of_no_wait():
    # 4 Wh a round. Rounds 2 to 4 are held at 12:30 (100 g/kWh), 15:00 and 15:30 (50): 0.4 g and
    # twice 0.2 g. Run-now holds them at 12:30, 13:00 and 13:30 (300): 0.4 g and twice 1.2 g.
    found = [a for a in look(began(), 100.0, 300.0, 300.0, 50.0) if a.waiting is None]
    assert [a.gco2eq for a in found] == pytest.approx([0.4, 0.2, 0.2])
    assert [a.run_now_gco2eq for a in found] == pytest.approx([0.4, 1.2, 1.2])


def test_the_runs_own_policy_decides_and_says_why():
    story = began(policy="oracle", rounds=2)
    found = look(story, 100.0, 90.0, 150.0, 50.0, 100.0)
    assert starts(found) == [3.0]
    assert found[0].waiting == "policy_waits"
    waits = why(found[0], story.state.runs["r"])
    assert waits.startswith("waits: the plan of least emissions holds")
    assert why(found[-1], story.state.runs["r"]).startswith("this hour is one of the 1")


def test_a_policy_that_gives_no_reason_is_told_by_what_it_does():
    story = began()
    assert (
        why(look(story, *[100.0] * 3)[0], story.state.runs["r"]) == "all invites every open client"
    )


@pytest.mark.parametrize(
    ("budget", "held"),
    [({"rounds": 2}, 1), ({"rounds": None, "hours": 2.0}, 3), ({"rounds": 9, "grams": 0.9}, 1)],
)
def test_it_ends_with_the_first_budget_that_is_spent(budget, held):
    # Round 1 emitted 0.2 g as booked; a round emits 0.4 g: of 0.9 g one more leaves 0.3 g.
    found = look(began(**budget), *[100.0] * 12)
    assert len(starts(found)) == held


def test_a_schedule_says_when_a_round_is_due():
    found = look(began(cron="0 */2 * * *", done=0), *[100.0] * 12)
    assert starts(found)[:3] == [2.0, 4.0, 6.0]


def test_the_open_round_comes_first_and_ends_as_usual():
    story = began()
    story.plan("a", "b")
    story.later(10 * MINUTE)
    found = look(story, *[100.0] * 12)
    assert found[0].running
    assert why(found[0], story.state.runs["r"]) == "under way"
    assert starts(found) == [0.5, 1.0, 1.5]


def test_a_look_that_is_stopped_holds_what_was_found_until_then():
    assert starts(look(began(), *[100.0] * 12, is_stopped=lambda: True)) == [0.5]


def test_nothing_is_expected_of_a_run_that_has_ended():
    story = began()
    story.tell(RunEnded(reason="stopped"), run="r")
    assert look(story, *[100.0] * 12) == []


def test_to_look_ahead_changes_nothing():
    story = began()
    before = deepcopy(story.state)
    look(story, 100.0, 300.0, 100.0)
    assert story.state == before


def test_beyond_the_forecast_nothing_is_held():
    found = look(began(), 100.0, ahead=6)
    assert starts(found) == [0.5]
    assert (found[-1].end - NOON) / HOUR == 6.0


@pytest.mark.parametrize("evaluate", [None, "sites", "both"])
def test_who_evaluates_adds_no_round_to_what_is_expected(evaluate):
    expected = look(began(evaluate=evaluate), *[100] * 12)
    assert [each.number for each in expected] == [2, 3, 4]
