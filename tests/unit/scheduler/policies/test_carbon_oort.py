"""Carbon-budgeted Oort packs the most utility into the round's grams, and never overspends."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.policies import carbon_oort
from scheduler.policies.selection_context import Candidate, PastRound, PastUpdate, SelectionContext
from tests.unit.scheduler.policies.laws import assert_lawful

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)


def emitting(**gco2eq: float | None) -> list[Candidate]:
    """Return candidates whose next update emits that much."""
    return [Candidate(client, gco2eq=grams) for client, grams in gco2eq.items()]


def told(**utilities: float | None) -> list[PastRound]:
    """Return one closed round in which these clients told these utilities."""
    return [PastRound(1, NOON, {c: PastUpdate(u, 1.0, None) for c, u in utilities.items()})]


def ask(
    candidates: Sequence[Candidate],
    wanted: int,
    past: list[PastRound],
    *,
    grams: float | None = None,
    spent: float = 0.0,
    left: int | None = 1,
) -> SelectionContext:
    return SelectionContext(
        candidates, wanted, quorum=1, number=len(past) + 1, now=NOON, rng=Random(0), past=past,
        grams=grams, spent_gco2eq=spent, rounds_left=left,
    )  # fmt: skip


FOUR = emitting(a=6, b=5, c=5, d=1), told(a=10, b=7, c=6, d=1)
"""Utility per gram: a 1.67, b 1.4, c 1.2, d 1."""


def answer(wanted: int, grams: float | None, **more) -> list[str]:
    candidates, past = FOUR
    return carbon_oort.select(ask(candidates, wanted, past, grams=grams, **more))


def test_knapsack_beats_the_greedy_choice_by_utility_per_gram():
    # 10 g: greedily a (6 g) and d (1 g) have 11; b and c use all 10 g and have 7 + 6 = 13.
    assert answer(3, 10) == ["b", "c"]


def test_no_more_are_chosen_than_there_are_places():
    assert answer(1, 10) == ["a"]  # 10 is the most one may have
    assert answer(2, 12) == ["a", "b"]  # 17 for 11 g; a, b and d would be 18 for 12 g


def test_what_is_left_is_spread_over_the_rounds_left():
    # (42 - 12) g for 3 rounds are 10 g each; for the run's only round, everybody fits into 30 g.
    assert answer(3, 42, spent=12, left=3) == ["b", "c"]
    assert answer(4, 42, spent=12, left=1) == ["a", "b", "c", "d"]
    assert answer(4, 42, spent=12, left=None) == ["a", "b", "c", "d"]


def test_without_a_budget_the_most_useful_are_chosen():
    assert answer(2, None) == ["a", "b"]


def test_nobody_is_chosen_when_nothing_is_left_or_nobody_fits():
    assert answer(3, 12, spent=12) == []
    assert answer(3, 12, spent=13) == []
    assert answer(3, 0.5) == []


def test_rounding_up_leaves_no_place_empty():
    # A third of a gram of 1 g is 334 thousandths, so the knapsack has two; the third fits as well.
    thirds = dict.fromkeys("abc", 0.3333)
    question = ask(emitting(**thirds), 3, told(a=1, b=1, c=1), grams=1.0)
    assert carbon_oort.select(question) == ["a", "b", "c"]


def test_rounds_are_random_until_as_many_as_wanted_have_trained():
    candidates, _ = FOUR
    question = ask(candidates, 3, told(a=10, b=7), grams=0.5)
    assert len(carbon_oort.select(question)) == 3


def test_who_never_trained_counts_by_its_samples():
    candidates = [Candidate("a", gco2eq=1), Candidate("new", num_examples=20, gco2eq=1)]
    assert carbon_oort.select(ask(candidates, 1, told(a=10), grams=1)) == ["new"]
    assert carbon_oort.select(ask(candidates, 1, told(a=30), grams=1)) == ["a"]


def test_unknown_figures_count_as_the_median_of_the_known():
    # Utilities 1, 3, 9, so d counts as 3: with b, one of the two best after c.
    past = told(a=1, b=3, c=9, d=None)
    chosen = carbon_oort.select(ask(emitting(a=1, b=1, c=1, d=1), 3, past, grams=3))
    assert chosen == ["b", "c", "d"]
    # Grams 2, 4, 6, so d counts as 4: it fits into 4 g, and not into 3.9 g.
    candidates, past = emitting(a=2, b=4, c=6, d=None), told(a=1, b=2, c=2, d=9)
    assert carbon_oort.select(ask(candidates, 1, past, grams=4)) == ["d"]
    assert carbon_oort.select(ask(candidates, 1, past, grams=3.9)) == ["a"]


def test_the_most_useful_are_chosen_where_nobodys_grams_are_known():
    question = ask(emitting(a=None, b=None), 1, told(a=1, b=2), grams=1e-3)
    assert carbon_oort.select(question) == ["b"]


items_ = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 1200)), min_size=1, max_size=6
)  # utility, grams


@settings(max_examples=40)
@given(items=items_, wanted=st.integers(1, 6))
def test_choice_is_as_good_as_the_best_of_all_subsets(items, wanted):
    # A budget of 1,000 g makes a step of the knapsack a gram, so nothing is rounded.
    candidates = [Candidate(f"c{i}", gco2eq=grams) for i, (_, grams) in enumerate(items)]
    utilities = {f"c{i}": float(utility) for i, (utility, _) in enumerate(items)}
    chosen = carbon_oort.select(ask(candidates, wanted, told(**utilities), grams=1000.0))
    best = max(
        sum(utility for utility, _ in subset)
        for size in range(min(wanted, len(items)) + 1)
        for subset in itertools.combinations(items, size)
        if sum(grams for _, grams in subset) <= 1000
    )
    assert sum(utilities[client] for client in chosen) == pytest.approx(best)


candidates_ = st.lists(
    st.builds(
        Candidate, client=st.sampled_from([f"c{i}" for i in range(12)]),
        num_examples=st.none() | st.integers(0, 100), gco2eq=st.none() | st.floats(0, 10),
    ),
    max_size=10, unique_by=lambda candidate: candidate.client,
)  # fmt: skip
utilities_ = st.dictionaries(
    st.sampled_from([f"c{i}" for i in range(12)]), st.none() | st.floats(0, 100), min_size=10
)


@settings(max_examples=50)
@given(
    candidates=candidates_, wanted=st.integers(0, 12), utilities=utilities_,
    grams=st.floats(-1, 30), left=st.none() | st.integers(1, 4),
)  # fmt: skip
def test_answers_are_lawful_and_within_the_budget(candidates, wanted, utilities, grams, left):
    question = ask(candidates, wanted, told(**utilities), grams=grams, left=left)
    chosen = assert_lawful(carbon_oort.select, question)
    known = sum(c.gco2eq for c in candidates if c.client in chosen and c.gco2eq is not None)
    assert not chosen or known <= max(0.0, grams) / (left or 1) + 1e-9
