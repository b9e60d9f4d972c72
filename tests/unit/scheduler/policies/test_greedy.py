"""Greedy: the least grams an update, whoever's they are."""

from hypothesis import given, settings

from scheduler.policies.greedy import select
from scheduler.policies.selection_context import Candidate
from tests.unit.scheduler.policies.laws import ask, assert_lawful, questions


def test_grams_count_not_the_grid():
    # E * CI: 10 Wh at 700 gCO2eq/kWh are 7 g, 100 Wh at 100 are 10 g, 50 Wh at 400 are 20 g.
    candidates = [
        Candidate("frugal", gco2eq=7.0, intensity_gco2eq_per_kwh=700.0),
        Candidate("clean", gco2eq=10.0, intensity_gco2eq_per_kwh=100.0),
        Candidate("neither", gco2eq=20.0, intensity_gco2eq_per_kwh=400.0),
    ]
    assert select(ask(candidates, 2, {})) == ["frugal", "clean"]


def test_the_grid_counts_where_nobody_knows_their_grams():
    candidates = [Candidate(c, intensity_gco2eq_per_kwh=ci) for c, ci in (("b", 90.0), ("a", 95.0))]
    assert select(ask(candidates, 1, {})) == ["b"]


def test_unknown_grams_count_as_the_median_of_the_known():
    known = [Candidate(f"k{grams}", gco2eq=grams) for grams in (1, 4, 6)]
    new = Candidate("new", intensity_gco2eq_per_kwh=0.0)
    # The median of 1, 4 and 6 is 4: "new" ties with k4, and k4 comes first by id.
    assert select(ask([new, *known], 4, {})) == ["k1", "k4", "new", "k6"]


def test_an_unknown_grid_counts_as_the_median_of_the_known():
    known = [Candidate(f"k{ci}", intensity_gco2eq_per_kwh=ci) for ci in (100, 300)]
    # The median of 100 and 300 is 200.
    assert select(ask([Candidate("dark"), *known], 3, {})) == ["k100", "dark", "k300"]


def test_where_nothing_is_known_of_anybody_all_tie():
    assert select(ask([Candidate("b"), Candidate("a")], 1, {})) == ["a"]


def test_nobody_is_found_among_nobody_and_for_no_place():
    assert select(ask([], 3, {})) == []
    assert select(ask([Candidate("a", gco2eq=1.0)], 0, {})) == []


@settings(max_examples=50)
@given(question=questions({}))
def test_the_answer_obeys_the_laws_and_no_exchange_saves_grams(question):
    answer = assert_lawful(select, question)
    assert len(answer) == min(question.wanted, len(question.candidates))
    grams = {c.client: c.gco2eq for c in question.candidates if c.gco2eq is not None}
    most = max((grams[c] for c in answer if c in grams), default=0.0)
    assert all(most <= grams[c] for c in grams if c not in answer)
