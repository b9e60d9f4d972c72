"""The green window: now, if now is among the greenest hours to come; nobody otherwise."""

import pytest
from hypothesis import given, settings

from scheduler.policies.green_window import select
from scheduler.policies.selection_context import Candidate
from tests.unit.scheduler.policies.laws import ask, assert_lawful, questions

OPTIONS = {"quantile": 0.3, "horizon_h": 24.0}


def sites(**forecasts: tuple[float, ...]) -> list[Candidate]:
    return [Candidate(c, forecast_gco2eq_per_kwh=hours) for c, hours in forecasts.items()]


@pytest.mark.parametrize(("now", "starts"), [(130.0, True), (131.0, False)])
def test_a_round_starts_at_or_below_the_quantile_of_the_hours_to_come(now, starts):
    # Eleven hours: the 0.3-quantile is the value at rank 0.3 * 10 = 3, counted from 0. Of 100, 110,
    # 120, 130, 140, ..., 190 and `now` = 130 that is 130; with 131 it is 130, too.
    hours = (now, *(100.0 + 10.0 * n for n in range(10)))
    assert select(ask(sites(a=hours), 1, OPTIONS)) == (["a"] if starts else [])


def test_the_mean_over_the_candidates_decides_not_each_grid():
    # Means: 150, 200, 250, 300; the 0.3-quantile lies at rank 0.9: 150 + 0.9 * 50 = 195 >= 150.
    # Alone, b would wait: 200 is the most it will have.
    both = sites(a=(100.0, 250.0, 400.0, 550.0), b=(200.0, 150.0, 100.0, 50.0))
    assert select(ask(both, 2, OPTIONS)) == ["a", "b"]
    assert select(ask(both[1:], 2, OPTIONS)) == []


def test_the_cleanest_now_take_the_places():
    grids = sites(c=(300.0, 900.0), a=(200.0, 900.0), b=(200.0, 900.0), d=(100.0, 900.0))
    assert select(ask(grids, 3, OPTIONS)) == ["d", "a", "b"]


def test_hours_beyond_the_horizon_do_not_count():
    falling_late = sites(a=(100.0, 120.0, 10.0, 10.0))
    # Two hours: 0.3-quantile 106 >= 100. Four: of 10, 10, 100, 120 at rank 0.9 it is 10 < 100.
    assert select(ask(falling_late, 1, OPTIONS | {"horizon_h": 2.0})) == ["a"]
    assert select(ask(falling_late, 1, OPTIONS)) == []


def test_a_lower_quantile_waits_for_a_greener_hour():
    hours = sites(a=(110.0, 100.0, 200.0, 200.0))
    # Ranks 0.9 and 0.3 of 100, 110, 200, 200: 109 and 103 are below 110; rank 1.2 is 128.
    assert select(ask(hours, 1, OPTIONS)) == []
    assert select(ask(hours, 1, OPTIONS | {"quantile": 0.1})) == []
    assert select(ask(hours, 1, OPTIONS | {"quantile": 0.4})) == ["a"]


def test_a_flat_grid_starts_at_once():
    assert select(ask(sites(a=(0.1,) * 24, b=(0.7,) * 24), 2, OPTIONS)) == ["a", "b"]


def test_a_candidate_without_a_forecast_is_left_out():
    grids = sites(none=(), running=(1.0,), a=(100.0, 200.0))
    assert select(ask(grids, 3, OPTIONS)) == ["a"]
    assert select(ask(grids[:2], 3, OPTIONS)) == []


def test_the_window_is_as_long_as_the_shortest_forecast():
    # Of the two common hours the means are 100 and 150: now is the greener.
    grids = sites(a=(100.0, 150.0, 0.0, 0.0, 0.0), b=(100.0, 150.0))
    assert select(ask(grids, 2, OPTIONS)) == ["a", "b"]


def test_nobody_is_found_among_nobody_and_for_no_place():
    assert select(ask([], 3, OPTIONS)) == []
    assert select(ask(sites(a=(1.0, 2.0)), 0, OPTIONS)) == []


@settings(max_examples=50)
@given(question=questions(OPTIONS))
def test_the_answer_obeys_the_laws(question):
    answer = assert_lawful(select, question)
    known = [c for c in question.candidates if len(c.forecast_gco2eq_per_kwh) > 1]
    assert len(answer) in {0, min(question.wanted, len(known))}
