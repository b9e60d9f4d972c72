"""What fairwind never does, and what it always keeps, whatever it is asked."""

import math
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.policies.candidate_table import Candidates, CandidateTable
from scheduler.policies.fairwind import select
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.selection_result import fault
from tests.unit.scheduler.policies.course import (
    WAITS,
    again,
    drive,
    intensities,
    question,
    questions,
    site,
)
from tests.unit.scheduler.policies.test_quotas import jain


@settings(max_examples=50)
@given(asked=questions())
def test_an_answer_can_be_carried_out(asked):
    answer = again(asked)
    assert fault(answer, asked) is None
    assert all(0.25 <= weight <= 4.0 for weight in answer.weights.values())
    assert set(answer.epochs) | set(answer.weights) <= set(answer.cohort)
    if answer.because.get("code") == "closing":
        assert len(answer.cohort) == answer.target == len(asked.candidates)
    else:
        assert len(answer.cohort) <= asked.wanted
    assert all(
        figure is None or isinstance(figure, str) or math.isfinite(figure)
        for said in [answer.because, *answer.notes.values()]
        for figure in said.values()
    )


@settings(max_examples=50)
@given(asked=questions(grams=None))
def test_the_order_of_candidates_changes_nothing(asked):
    shuffled = Random(1).sample(asked.candidates, len(asked.candidates))
    one, other = again(asked), again(replace(asked, candidates=shuffled))
    assert set(one.cohort) == set(other.cohort)
    assert one.epochs == other.epochs
    assert one.weights == pytest.approx(other.weights)
    assert one.because == pytest.approx(other.because, abs=1e-9)


@settings(max_examples=50)
@given(asked=questions())
def test_columns_are_answered_as_their_candidates_are(asked):
    columns = Candidates(CandidateTable.of(asked.candidates))
    one, other = again(asked), again(replace(asked, candidates=columns))
    assert (list(one.cohort), one.epochs) == (list(other.cohort), other.epochs)


@settings(max_examples=50)
@given(asked=questions(), grams=st.floats(0, 2000))
def test_a_round_costs_no_more_than_what_is_left_unless_the_quorum_does(asked, grams):
    asked = replace(asked, grams=grams, spent_gco2eq=0.0)
    answer = again(asked)
    if len(answer.cohort) <= asked.quorum:
        return
    pool = CandidateTable.of(asked.candidates)
    now = hourly_emissions(pool, horizon_h=1.0, end_h=None).gco2eq(0)
    parts = [answer.epochs.get(c, asked.epochs) / asked.epochs for c in pool.clients]
    taken = [c in set(answer.cohort) for c in pool.clients]
    assert (now * parts)[taken].sum() <= grams * (1 + 1e-9)


@settings(max_examples=50)
@given(asked=questions(), hours_left=st.floats(0, 100))
def test_nothing_waits_that_has_no_time_to(asked, hours_left):
    """Without a budget; with one, a run may do fewer rounds, which it pays for."""
    asked = replace(asked, grams=None, hours_left=hours_left, interval_h=1.0, past=())
    rounds_left = math.inf if asked.rounds_left is None else asked.rounds_left
    if asked.wanted and asked.candidates and rounds_left >= hours_left - 1 + 1e-6:
        assert again(asked).cohort


@settings(max_examples=50)
@given(asked=questions())
def test_without_waiting_a_quorum_of_candidates_always_trains(asked):
    asked = replace(asked, options={**asked.options, "wait": 0.0})
    enough = min(asked.quorum, asked.wanted, len(asked.candidates))
    answer = again(asked)
    assert len(answer.cohort) >= enough
    assert answer.because.get("code") not in ("better_hours_ahead", "no_slack", "no_deadline")


@settings(max_examples=50)
@given(asked=questions(), buffer=st.integers(1, 5))
def test_without_waiting_every_place_of_an_asynchronous_run_is_taken(asked, buffer):
    asked = replace(asked, options={**asked.options, "wait": 0.0}, buffer=buffer)
    assert len(again(asked).cohort) == min(asked.wanted, len(asked.candidates))


@settings(max_examples=50)
@given(asked=questions())
def test_no_client_does_less_than_the_floor_or_more_than_all_epochs(asked):
    asked = replace(asked, options={**asked.options, "parts": 1.0})
    floor = asked.options["floor"]
    assert all(floor <= part < asked.epochs for part in again(asked).epochs.values())


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32),
    factor=st.floats(1e-3, 1e3),
    options=st.fixed_dictionaries({"wait": st.sampled_from([0.0, 1.0])}),
)
def test_the_energy_of_a_client_changes_no_relative_choice_of_who_trains(seed, factor, options):
    """With even shares, and whole work: both depend on what an example emits.

    Whether a round that may wait does so is a matter of grams, which depend on it too.
    """
    grids = [grid[:24] for grid in _grids(seed)]
    sites = [site(f"c{n}", *grid) for n, grid in enumerate(grids)]
    told: dict[str, Any] = {
        "wanted": 3, "rounds_left": 10, "hours_left": 24.0,
        "options": {"fairness": 1.0, "full_share": 1.0, **options},
    }  # fmt: skip
    one = select(question(*sites, **told))
    larger = replace(sites[0], energy_wh=1000.0 * factor)
    other = select(question(larger, *sites[1:], **told))
    if not options["wait"] or (one.cohort and other.cohort):
        assert other.cohort == one.cohort


grids_ = st.lists(st.lists(intensities, min_size=1, max_size=30), min_size=2, max_size=6)


@settings(max_examples=25)
@given(
    grids=grids_,
    rounds=st.integers(1, 20),
    spare=st.integers(0, 20),
    round_h=st.sampled_from([0.25, 1.0]),
    options=st.fixed_dictionaries(
        {"closing": st.sampled_from([0.0, 1.0]), "wait": st.sampled_from([0.0, 1.0])}
    ),
)
def test_all_rounds_are_done_by_the_deadline(grids, rounds, spare, round_h, options):
    # The first round's length is not known before it is over, so the run has time for it.
    hours = math.ceil(rounds * round_h) + 1 + spare
    held = drive(grids, rounds=rounds, hours=hours, round_h=round_h, options=options, wanted=2)
    assert len(held) == rounds
    assert held[-1].hour + round_h <= hours + 1e-9


@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32),
    fairness=st.sampled_from([0.5, 0.8, 0.95]),
    end=st.booleans(),
    wait=st.sampled_from([0.0, 1.0]),
)
def test_participation_over_a_long_run_is_as_fair_as_asked_for(seed, fairness, end, wait):
    grids = _grids(seed)
    options = {"fairness": fairness, "wait": wait}
    held = drive(grids, rounds=100, hours=200, options=options, end=end, wanted=3)
    counts = np.array([sum(f"c{n}" in one.cohort for one in held) for n in range(len(grids))])
    # A deadline takes turns away at the end: of 122 drawn grids, 6 missed 0.95 by more than 0.05,
    # the worst by 0.10. Every other pair held in all of them.
    missed = 0.15 if end and fairness == 0.95 else 0.05
    assert jain(counts / counts.sum()) >= fairness - missed


@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32),
    options=st.fixed_dictionaries(
        {"wait": st.sampled_from([0.0, 1.0]), "relative": st.sampled_from([0.0, 1.0])}
    ),
)
def test_nobody_waits_much_longer_than_patience(seed, options):
    """Patience is 72 h, or two even turns if these are longer; several may be late at once.

    It begins with the run's first round.
    """
    grids = _grids(seed, spread=30.0)
    held = drive(grids, rounds=100, hours=400, options=options | {"fairness": 0.0}, wanted=2)
    even_turn_h = len(grids) * 400 / (100 * 2)
    for n in range(len(grids)):
        mine = [held[0].hour, *(one.hour for one in held if f"c{n}" in one.cohort), held[-1].hour]
        assert max(np.diff(mine)) <= max(72.0, 2 * even_turn_h) + len(grids)


def _grids(seed: int, *, spread: float = 10.0) -> list[list[float]]:
    """Return grids with a day's course, some many times as dirty as others."""
    rng = np.random.default_rng(seed)
    means = 20.0 * spread ** rng.random((8, 1))
    course = np.sin((np.arange(400) + 24 * rng.random((8, 1))) * 2 * np.pi / 24)
    grids: list[list[float]] = (means * (1 + 0.5 * course + 0.1 * rng.random((8, 400)))).tolist()
    return grids


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    rounds_left=st.integers(1, 20),
    relative=st.sampled_from([0.0, 1.0]),
)
def test_the_cohort_of_the_better_hour_emits_as_much_less_then_as_is_said(
    seed, rounds_left, relative
):
    """The best hour's cohort is the one asked if that hour comes first, all else as it is."""
    grids = [grid[:24] for grid in _grids(seed)]
    sites = [site(f"c{n}", *grid) for n, grid in enumerate(grids)]
    told: dict[str, Any] = {
        "wanted": 3,
        "rounds_left": rounds_left,
        "hours_left": 24.0,
        "options": WAITS | {"fairness": 1.0, "closing": 0.0, "relative": relative},
    }
    because = select(question(*sites, **told)).because
    best = int(because["best_in_h"] or 0)
    saves = float(because["saves_gco2eq"] or 0)
    swapped = [[grid[best], *grid[1:best], grid[0], *grid[best + 1 :]] for grid in grids]
    then = select(question(*(site(f"c{n}", *g) for n, g in enumerate(swapped)), **told))
    if best == 0:
        assert because["better_hours"] == saves == 0.0
        return
    assert then.because["best_in_h"] == 0.0
    saved = sum(grids[int(c[1:])][0] - grids[int(c[1:])][best] for c in then.cohort)
    assert saved >= saves - 1e-6
    assert saves > 0 or because["code"] == "among_best_hours"
