"""A timetable of rounds: the least grams within places, bounds and budget."""

import math
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.policies.planning import round_timetable as timetable_
from scheduler.policies.planning.round_timetable import Task, _solve, timetable

NAN = math.nan


def task(cost: list[list[float]], *, rounds: int, places: int = 1, **changes: Any) -> Task:
    kinds, hours = len(cost), len(cost[0])
    fields: dict[str, Any] = {
        "cost_gco2eq": tuple(map(tuple, cost)), "size": (1,) * kinds, "low": (0,) * kinds,
        "high": (rounds,) * kinds, "places": (places,) * hours, "rounds_an_hour": (1,) * hours,
        "rounds": rounds, "budget_gco2eq": math.inf,
    }  # fmt: skip
    return Task(**(fields | changes))


def held(asked: Task) -> list[float]:
    found = timetable(asked)
    assert found is not None
    return [round(float(n), 6) for n in found.rounds]


def test_rounds_go_to_the_hours_of_least_grams():
    assert held(task([[3.0, 1.0, 2.0]], rounds=2)) == [0.0, 1.0, 1.0]


def test_an_hour_must_suit_a_whole_cohort():
    # The sums of both are 11, 8 and 11: the middle hour, in which neither is at its best.
    found = timetable(task([[1.0, 4.0, 10.0], [10.0, 4.0, 1.0]], rounds=1, places=2))
    assert found is not None
    assert found.rounds == pytest.approx([0.0, 1.0, 0.0])
    assert found.gco2eq == pytest.approx(8.0)


def test_a_kind_takes_part_as_often_as_its_bounds_say():
    # The first is always cleaner, but may take part once only, and the second must once.
    found = timetable(task([[1.0, 2.0], [5.0, 9.0]], rounds=2, high=(1, 2), low=(0, 1)))
    assert found is not None
    assert found.trained == pytest.approx(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert found.gco2eq == pytest.approx(7.0)


def test_a_bound_that_cannot_be_kept_is_broken_rather_than_a_round_missed():
    assert held(task([[1.0, 2.0]], rounds=2, high=(1,))) == [1.0, 1.0]


def test_a_budget_pays_for_the_cheapest_rounds():
    assert held(task([[3.0, 1.0, 2.0]], rounds=3, budget_gco2eq=3.5)) == [0.0, 1.0, 1.0]
    assert held(task([[3.0, 1.0, 2.0]], rounds=3, budget_gco2eq=0.5)) == [0.0, 0.0, 0.0]


def test_an_hour_of_unknown_grams_is_left_out():
    assert held(task([[NAN, 9.0]], rounds=1)) == [0.0, 1.0]


def test_an_hour_may_hold_several_rounds():
    asked = task([[1.0, 9.0]], rounds=2, size=(2,), rounds_an_hour=(2, 2))
    assert held(asked) == [2.0, 0.0]


costs = st.integers(1, 3).flatmap(
    lambda kinds: st.lists(
        st.lists(st.integers(1, 9).map(float), min_size=4, max_size=4),
        min_size=kinds, max_size=kinds,
    )
)  # fmt: skip


def least(asked: Task) -> float | None:
    """Return the least grams of all ways to keep every bound, by trying them all."""
    cost, hours = np.array(asked.cost_gco2eq), range(len(asked.places))
    best = None
    for when in combinations(hours, asked.rounds):
        for who in product(combinations(range(len(cost)), asked.places[0]), repeat=asked.rounds):
            trained = np.zeros_like(cost)
            for t, cohort in zip(when, who, strict=True):
                trained[list(cohort), t] = 1.0
            counts = trained.sum(axis=1)
            if (asked.low <= counts).all() and (counts <= asked.high).all():
                grams = float((trained * cost).sum())
                best = grams if best is None else min(best, grams)
    return best


@settings(deadline=None)
@given(cost=costs, rounds=st.integers(1, 3), places=st.integers(1, 2), data=st.data())
def test_it_finds_what_trying_everything_finds(cost, rounds, places, data):
    bounds = st.lists(st.integers(0, 2), min_size=len(cost), max_size=len(cost))
    low = data.draw(bounds)
    high = [a + b for a, b in zip(low, data.draw(bounds), strict=True)]
    asked = task(cost, rounds=rounds, places=places, low=tuple(low), high=tuple(high))
    best, found = least(asked), timetable(asked)
    assert found is not None
    if best is not None:
        assert found.gco2eq == pytest.approx(best, rel=2e-3)
        assert found.rounds.sum() == pytest.approx(rounds)


@settings(deadline=None, max_examples=30)
@given(cost=costs, rounds=st.integers(1, 3))
def test_rounding_keeps_every_round_and_tells_how_far_it_may_be_from_the_best(cost, rounds):
    asked = task(cost, rounds=rounds, low=(0,) * len(cost))
    exact = timetable(asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timetable_, "_SEARCHED", 0)
        rounded = timetable.__wrapped__(asked)
    relaxed = _solve(asked, whole=False)
    assert exact is not None
    assert rounded is not None
    assert relaxed is not None
    assert np.rint(rounded.rounds).sum() == rounds
    assert rounded.gco2eq >= exact.gco2eq * (1 - 2e-3)
    assert rounded.gco2eq <= relaxed.gco2eq * (1 + rounded.gap) + 1e-6
