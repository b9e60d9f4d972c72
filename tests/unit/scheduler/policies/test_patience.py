"""Patience: no client waits longer than it, also where several would run out of it at once."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.planning.pace import Pace
from scheduler.policies.planning.patience import overdue_h
from tests.unit.scheduler.policies.course import drive, question, site
from tests.unit.scheduler.policies.laws import rounds

HOURLY = Pace(None, 1.0, 48.0, 48.0, 48.0, has_slack=False)


def overdue(*waits: float, places: float = 1, past_h: int = 200) -> list[float]:
    sites = [site(f"c{n}", 1.0, waited_h=wait) for n, wait in enumerate(waits)]
    past = rounds(*[()] * past_h)
    asked = question(*sites, past=past, number=len(past) + 1)
    return list(overdue_h(asked, CandidateTable.of(sites), places=places, pace=HOURLY))


def test_a_client_is_overdue_when_the_next_round_would_be_too_late():
    assert overdue(71.0, 5.0) == [0.0, 0.0]
    assert overdue(71.5, 5.0) == [71.5, 0.0]


def test_clients_that_would_run_out_of_patience_together_are_served_before():
    # With one place an hour the third of them waits 3 rounds: 69.5 h become 72.5 h.
    assert overdue(69.5, 69.5, 69.5, 5.0) == [69.5, 69.5, 69.5, 0.0]
    assert overdue(69.5, 69.5, 5.0) == [0.0, 0.0, 0.0]
    assert overdue(69.5, 69.5, 69.5, 5.0, places=3) == [0.0] * 4


def test_patience_is_two_even_turns_where_these_are_longer():
    # 50 clients, one an hour: two turns are 100 h.
    assert not any(overdue(98.0, *[1.0] * 49))
    assert overdue(99.5, *[1.0] * 49)[0] == 99.5


def test_no_wait_is_longer_than_the_run():
    assert overdue(500.0, past_h=10) == [0.0]


def _grids(seed: int) -> list[list[float]]:
    """Return grids with a day's course, some many times as dirty as others."""
    rng = np.random.default_rng(seed)
    means = 20.0 * 30.0 ** rng.random((12, 1))
    course = np.sin((np.arange(48) + 24 * rng.random((12, 1))) * 2 * np.pi / 24)
    grids: list[list[float]] = (means * (1 + 0.5 * course)).tolist()
    return grids


@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**32),
    patience_h=st.sampled_from([1.0, 15.0, 40.0]),
    wanted=st.integers(1, 5),
    round_h=st.sampled_from([0.5, 1.0]),
)
def test_no_client_that_is_always_there_waits_longer_than_patience(
    seed, patience_h, wanted, round_h
):
    held = drive(
        _grids(seed), rounds=None, hours=90, round_h=round_h, wanted=wanted, end=False,
        options={"fairness": 0.0, "patience_h": patience_h},
    )  # fmt: skip
    patience = max(patience_h, 2 * 12 * round_h / wanted)
    for n in range(12):
        mine = [0.0, *(one.hour for one in held if f"c{n}" in one.cohort), held[-1].hour]
        assert max(later - last for last, later in pairwise(mine)) <= patience + 1e-9


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), patience_h=st.sampled_from([15.0, 40.0]))
def test_hours_away_apart_no_client_waits_longer_than_patience_and_an_even_turn(seed, patience_h):
    rng = np.random.default_rng(seed)
    there = np.repeat(rng.random((12, 30)) < 0.5, 4, axis=1)  # in spans of 4 hours
    there[0] = True
    held = drive(
        _grids(seed), rounds=None, hours=120, wanted=1, end=False, there=there.tolist(),
        options={"fairness": 0.0, "patience_h": patience_h},
    )  # fmt: skip
    even_turn_h = 12.0
    for n in range(12):
        mine = [0, *(int(one.hour) for one in held if f"c{n}" in one.cohort), 120]
        waited = [int(there[n, last:later].sum()) for last, later in pairwise(mine)]
        assert max(waited) <= max(patience_h, 2 * even_turn_h) + even_turn_h
