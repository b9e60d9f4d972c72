"""Pace: how many rounds fall into the hours ahead, who is due, and whether there is time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.pace import Pace, due_updates, end_h, pace_of
from scheduler.policies.selection_context import PastRound
from tests.unit.scheduler.policies.course import question, site
from tests.unit.scheduler.policies.laws import NOW, rounds


def pace(*, hours=48, affordable=None, waits=True, **fields) -> Pace:
    asked = question(site("a", 1.0), **fields)
    return pace_of(asked, hours=hours, affordable=affordable, waits=waits)


def took(*hours: float) -> list[PastRound]:
    return [PastRound(n, NOW, {}, hour) for n, hour in enumerate(hours, 1)]


def test_rounds_are_spread_evenly_over_the_hours_left():
    # 25 rounds in 100 hours: 12 of them in the next 48, which take 12 hours.
    assert pace(rounds_left=25, hours_left=100.0) == Pace(25, 1.0, 12.0, 48, 12.0, has_slack=True)


def test_no_more_rounds_are_planned_than_there_is_time_for():
    assert pace(rounds_left=25, hours_left=10.0, hours=10) == Pace(
        10.0, 1.0, 10.0, 10, 10.0, has_slack=False
    )


def test_without_an_end_in_hours_rounds_follow_each_other_and_nothing_waits():
    assert pace(rounds_left=5) == Pace(5, 1.0, 5, 5.0, 5.0, has_slack=False)
    assert pace() == Pace(None, 1.0, 48.0, 48.0, 48.0, has_slack=False)


def test_a_run_that_does_not_wait_has_no_slack_and_its_rounds_follow_each_other():
    assert pace(rounds_left=25, hours_left=100.0, waits=False) == pace(rounds_left=25)
    assert pace(rounds_left=25, hours_left=10.0, waits=False).rounds_left == 10.0
    assert pace(hours_left=10.0, waits=False) == Pace(10, 1.0, 10, 10, 10, has_slack=False)


@pytest.mark.parametrize("waits", [True, False])
def test_a_run_ends_with_its_hours_or_at_the_soonest_with_its_rounds(waits):
    assert end_h(question(site("a", 1.0)), waits=waits) is None
    assert end_h(question(site("a", 1.0), hours_left=7.0), waits=waits) == 7.0
    assert end_h(question(site("a", 1.0), rounds_left=24, past=took(0.5)), waits=waits) == 12.0
    assert end_h(question(site("a", 1.0), rounds_left=24, hours_left=7.0), waits=waits) == 7.0


def test_only_a_run_that_waits_uses_the_hours_after_its_rounds():
    asked = question(site("a", 1.0), rounds_left=24, hours_left=100.0)
    assert (end_h(asked, waits=True), end_h(asked, waits=False)) == (100.0, 24.0)


def test_a_budget_that_pays_for_fewer_rounds_leaves_more_time():
    made = pace(rounds_left=100, hours_left=100.0, affordable=10.0)
    assert (made.rounds_left, made.rounds_ahead, made.has_slack) == (10.0, 4.8, True)
    assert not pace(rounds_left=100, hours_left=100.0).has_slack


def test_a_round_takes_as_long_as_the_middle_of_the_last_ten():
    # The eleventh last took 9 hours, which is forgotten; of nine halves and a 3 it is 0.5.
    assert pace(past=took(9.0, *[0.5] * 9, 3.0)).rounds_an_hour == 2.0


def test_rounds_come_no_more_often_than_scheduled():
    assert pace(past=took(0.5), interval_h=6.0).rounds_an_hour == pytest.approx(1 / 6)


def test_slack_is_an_hour_or_a_round_whichever_is_longer():
    # 10 rounds of 6 minutes take an hour: waiting an hour of two leaves just enough.
    quick = {"rounds_left": 10, "past": took(0.1)}
    assert pace(**quick, hours_left=2.0).has_slack
    assert not pace(**quick, hours_left=1.9).has_slack
    # 10 rounds of 6 hours take 60; a wait may cost one of them.
    assert pace(rounds_left=10, interval_h=6.0, hours_left=66.0).has_slack
    assert not pace(rounds_left=10, interval_h=6.0, hours_left=65.0).has_slack


@given(
    rounds_left=st.none() | st.integers(1, 500),
    hours_left=st.none() | st.floats(0, 1000),
    hours=st.integers(1, 96),
    round_h=st.sampled_from([0.1, 1.0, 3.0]),
    bounds=st.tuples(st.none() | st.floats(1, 1000), st.booleans()),
)
def test_what_is_planned_fits_into_time(rounds_left, hours_left, hours, round_h, bounds):
    affordable, waits = bounds
    made = pace(
        rounds_left=rounds_left, hours_left=hours_left, hours=hours, affordable=affordable,
        past=took(round_h), waits=waits,
    )  # fmt: skip
    assert made.rounds_ahead > 0
    assert made.hours_needed == pytest.approx(made.rounds_ahead * round_h)
    if made.rounds_left is not None:
        assert made.rounds_ahead <= made.rounds_left
    if made.has_slack:
        assert made.rounds_left * round_h <= hours_left - 1.0 + 1e-6


def due(names: str, past, *, places=1, ahead=10.0, shares=None) -> list[float]:
    pool = CandidateTable.of([site(name, 1.0) for name in names])
    even = np.full(len(names), 1 / len(names)) if shares is None else np.array(shares)
    made = Pace(None, 1.0, ahead, 48, ahead, has_slack=False)
    asked = question(site("a", 1.0), past=past)
    return list(due_updates(asked, pool, even, places=places, pace=made))


def test_due_is_the_share_of_the_candidates_updates_less_those_given():
    # Two of their three updates were a's; 10 are ahead: half of 13 less 2, and less 1.
    assert due("ab", rounds("a", "ab")) == [4.5, 5.5]
    assert due("ab", rounds("a", "ab"), shares=(0.2, 0.8)) == pytest.approx([0.6, 9.4])


def test_updates_of_absent_clients_make_nobody_due():
    # c and d gave 40 and are away: a and b owe what they would owe without them.
    assert due("ab", rounds("a", "ab", *["cd"] * 20)) == [4.5, 5.5]


def test_who_took_more_than_its_share_is_ahead_of_its_turn():
    assert due("ab", rounds(*["a"] * 20)) == [-5.0, 11.0]


def test_a_newcomer_catches_up_at_most_twice_as_fast():
    # Half of 110 would be 55 updates; twice its share of 10, and one, are 11.
    assert due("ab", rounds(*["a"] * 100))[1] == 11.0
