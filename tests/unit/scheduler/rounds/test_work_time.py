"""Work is booked when it was done: after its issue, before its arrival, whatever a site's clock."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.clock import GridClock, VirtualClock
from common.messages import Energy
from scheduler.ledger.events import ClientClockCompared
from scheduler.rounds.work_time import work_time
from tests.unit.scheduler.rounds.memory_world import MemoryWorld
from tests.unit.scheduler.story import HOUR, MINUTE, NOON, Story

HOURS = (100.0, 110.0, 120.0, 130.0, 140.0, 150.0)
ENERGY = Energy(energy_wh=2.0, method="test", quality="measured", pue=1.0)
REFUSED = {"num_examples": 0}
FAILED = {"outcome": "failed", "update": None, "num_examples": 0}
DECLINED = {"outcome": "declined", "update": None, "num_examples": 0}

spans = st.floats(-1e6, 1e6).map(lambda s: timedelta(seconds=s))


def booked(ahead: timedelta, *, known: bool, **changes: Any) -> Any:
    """Return the booking of work that client a did in the fourth hour, by a clock so far ahead."""
    world = MemoryWorld("a", "b", hours=HOURS)
    world.clock.now = NOON + 3 * HOUR + 10 * MINUTE
    if known:
        world.happen(ClientClockCompared(ahead_s=ahead.total_seconds()), client="a")
    world.work.ahead["a"] = ahead
    world.work.changes["a"] = {"energy": ENERGY} | changes
    world.start(rounds=1)
    world.play(5 * MINUTE)
    return next(b for b in world.history.state.book if b.client == "a")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("hours", [-9_000, -2, -0.5, 0, 0.5, 2, 9_000])
@pytest.mark.parametrize("changes", [{}, REFUSED, FAILED, DECLINED])
def test_work_is_booked_in_the_hour_in_which_it_was_done(hours, changes, known):
    found = booked(hours * HOUR, known=known, **changes)
    begun = NOON + 3 * HOUR + 10 * MINUTE
    assert found.booked.gco2eq_per_kwh == HOURS[3]
    assert begun <= found.started_at <= found.ended_at <= begun + 5 * MINUTE
    assert found.ended_at - found.started_at == MINUTE
    assert found.gco2eq == pytest.approx(2.0 * HOURS[3] / 1000)


def test_waiting_is_booked_at_the_mean_intensity_of_its_hours():
    # Work at 15:10 after two hours of waiting: 50 min at 110, 60 at 120, and 10 at 130.
    waited = ENERGY.model_copy(update={"idle_wh": 6.0, "idle_s": 7200.0})
    found = booked(timedelta(0), known=False, energy=waited)
    mean = (50 * HOURS[1] + 60 * HOURS[2] + 10 * HOURS[3]) / 120
    assert found.idle_booked.gco2eq_per_kwh == pytest.approx(mean)
    assert found.idle_gco2eq == pytest.approx(6.0 * mean / 1000)
    assert found.gco2eq == pytest.approx(2.0 * HOURS[3] / 1000)


def test_waiting_in_unknown_hours_is_booked_at_the_intensity_of_the_work():
    # Nothing is known of the hours before 12:00.
    waited = ENERGY.model_copy(update={"idle_wh": 6.0, "idle_s": 10 * 3600.0})
    found = booked(timedelta(0), known=False, energy=waited)
    assert found.idle_booked is None
    assert found.idle_gco2eq == pytest.approx(6.0 * HOURS[3] / 1000)


def test_work_without_stated_watts_has_no_intensity_of_waiting():
    waited = ENERGY.model_copy(update={"idle_s": 7200.0})
    found = booked(timedelta(0), known=False, energy=waited)
    assert (found.idle_wh, found.idle_booked, found.idle_gco2eq) == (None, None, None)


def test_a_clock_that_is_wrong_by_years_does_no_harm_where_the_grid_clock_runs_fast():
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    began = NOON - 50 * 8766 * HOUR
    receipt = story.receipt("a", started_at=began, ended_at=began + MINUTE)
    fast = GridClock(wall_start=NOON, grid_start=NOON, speed=3000.0)
    clock = VirtualClock(fast.at(NOON + 5 * MINUTE), fast)
    found = work_time(story.state, clock, receipt)
    assert (found.grid_started_at, found.grid_ended_at) == (NOON, NOON + 3000 * MINUTE)


def test_where_an_answer_waited_for_hours_the_known_difference_decides():
    """The bounds alone would leave the work in any of five hours."""
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    story.tell(ClientClockCompared(ahead_s=-7200.0), client="a")
    story.later(5 * HOUR)
    begun = NOON + 3 * HOUR
    receipt = story.receipt(
        "a", started_at=begun - 2 * HOUR, ended_at=begun - 2 * HOUR + MINUTE
    )  # fmt: skip
    found = work_time(story.state, VirtualClock(story.now), receipt)
    assert (found.grid_started_at, found.grid_ended_at) == (begun, begun + MINUTE)


def test_an_answer_to_an_assignment_that_was_issued_again_may_be_of_the_first_issue():
    story = Story("a", "b")
    story.start()
    story.plan("a")
    story.later(HOUR)
    story.plan("a")
    receipt = story.receipt("a", started_at=NOON + MINUTE, ended_at=NOON + 2 * MINUTE)
    found = work_time(story.state, VirtualClock(story.now), receipt)
    assert found.grid_started_at == NOON + MINUTE


def test_late_work_of_a_closed_round_is_booked_after_that_rounds_start():
    story = Story("a", "b")
    story.start()
    story.later(HOUR)
    story.plan("a", "b", target=1)
    story.later(5 * MINUTE)
    story.answer("b")
    story.close()
    story.later(HOUR)
    receipt = story.receipt("a", started_at=NOON - 2 * HOUR, ended_at=NOON - 2 * HOUR + MINUTE)
    found = work_time(story.state, VirtualClock(story.now), receipt)
    assert (found.grid_started_at, found.grid_ended_at) == (NOON + HOUR, NOON + HOUR + MINUTE)


@given(begun=spans, took=spans, waited=spans, ahead_s=st.floats(-1e6, 1e6))
def test_no_work_is_booked_before_its_issue_or_after_its_arrival(begun, took, waited, ahead_s):
    story = Story("a", "b")
    story.start()
    story.plan("a", "b")
    story.tell(ClientClockCompared(ahead_s=ahead_s), client="a")
    story.later(waited)
    started_at = NOON + begun
    receipt = story.receipt("a", started_at=started_at, ended_at=started_at + took)
    found = work_time(story.state, VirtualClock(story.now), receipt)
    assert NOON <= found.started_at <= max(NOON, story.now)
    assert NOON <= found.grid_started_at <= found.grid_ended_at <= max(NOON, story.now)
    length, room = max(took, timedelta(0)), max(waited, timedelta(0))
    assert found.grid_ended_at - found.grid_started_at == min(length, room)
