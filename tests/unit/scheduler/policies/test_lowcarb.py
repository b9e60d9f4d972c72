"""Lowcarb: who gains least by waiting trains, and who trained often waits longer."""

import pytest
from hypothesis import given, settings

from scheduler.policies.lowcarb import select
from scheduler.policies.selection_context import Candidate, SelectionContext
from tests.unit.scheduler.policies.laws import ask, assert_lawful, questions, rounds

OPTIONS = {"horizon_h": 4.0}


def site(client: str, *forecast: float) -> Candidate:
    return Candidate(
        client,
        intensity_gco2eq_per_kwh=forecast[0],
        forecast_gco2eq_per_kwh=forecast if len(forecast) > 1 else (),
    )


def took_part(candidates: list[Candidate], wanted: int, **times: int) -> SelectionContext:
    """Return a question after rounds in which each client took part so many times."""
    most = max(times.values())
    past = rounds(*[{c for c, count in times.items() if count > n} for n in range(most)])
    return ask(candidates, wanted, OPTIONS, past=past)


def test_before_the_first_round_those_train_whose_grid_gets_dirtier():
    candidates = [
        site("falls", 100.0, 90.0, 40.0, 90.0, 100.0),  # min(-10, -60, -10, 0) = -60
        site("rises", 500.0, 510.0, 530.0, 530.0, 530.0),  # min(10, 30, 30, 30) = 10
        site("dips", 100.0, 80.0, 100.0, 100.0, 100.0),  # -20
    ]
    # Nobody took part: every window is H = 4 hours. Scores 10 > -20 > -60.
    assert select(ask(candidates, 3, OPTIONS)) == ["rises", "dips", "falls"]


def test_who_took_part_seldom_trains_now_the_cleanest_first():
    candidates = [
        site("often", 10.0, 900.0, 900.0, 900.0, 900.0),
        site("never", 300.0, 1.0, 1.0, 1.0, 1.0),
        site("seldom", 200.0, 1.0, 1.0, 1.0, 1.0),
        site("often_too", 10.0, 900.0, 900.0, 900.0, 900.0),
    ]
    # p = 4, 0, 2, 4, so p_max = 4: max(0, 2 * 0 - 1) = 0 and 2 * 2/4 - 1 = 0, windows of 0 hours:
    # MAX - 200 > MAX - 300 > anything that waits. The 80th percentile of 0, 2, 4, 4 is 4.
    question = took_part(candidates, 4, often=4, never=0, seldom=2, often_too=4)
    assert select(question) == ["seldom", "never", "often", "often_too"]


@pytest.mark.parametrize(
    ("forecast", "first"),
    [
        # p = 3 of p_max = 4: round((2 * 0.75 - 1) * 4) = 2 hours are looked at.
        pytest.param((100.0, 90.0, 90.0, 0.0, 0.0), "some", id="falls-beyond"),  # -10 > -30
        pytest.param((100.0, 90.0, 50.0, 0.0, 0.0), "most", id="falls-within"),  # -50 < -30
    ],
)
def test_the_window_grows_with_participation(forecast, first):
    # p = 4 of 4: all H = 4 hours, so -30. Two of them, so that the 80th percentile is 4, too.
    most, also = (site(c, 100.0, 100.0, 100.0, 100.0, 70.0) for c in ("most", "z"))
    question = took_part([site("some", *forecast), most, also], 1, some=3, most=4, z=4)
    assert select(question) == [first]


def test_who_took_part_most_comes_last():
    candidates = [site(c, 100.0, 100.0) for c in ("a", "b", "c", "d", "e")]
    rising = site("most", 10.0, 900.0)
    # p = 3, 3, 3, 3, 3, 4. The 80th percentile lies at rank 0.8 * 5 = 4: 3, so 4 is barred, and
    # takes the sixth place only.
    question = took_part([rising, *candidates], 6, a=3, b=3, c=3, d=3, e=3, most=4)
    assert select(question) == ["a", "b", "c", "d", "e", "most"]


def test_without_a_forecast_only_a_client_that_need_not_wait_is_invited():
    candidates = [site("now", 300.0), site("later", 10.0), site("later_too", 10.0)]
    # p = 1, 4, 4: windows of 0, 4 and 4 hours.
    assert select(took_part(candidates, 3, now=1, later=4, later_too=4)) == ["now"]


def test_an_unknown_grid_is_left_out():
    dark = Candidate("dark", forecast_gco2eq_per_kwh=(1.0, 2.0))
    assert select(ask([dark, site("known", 500.0, 500.0)], 2, OPTIONS)) == ["known"]


def test_a_short_forecast_is_used_as_far_as_it_goes():
    candidates = [site("short", 100.0, 90.0), site("long", 100.0, 95.0, 80.0, 80.0, 80.0)]
    # -10 > -20.
    assert select(ask(candidates, 1, OPTIONS)) == ["short"]


def test_nobody_is_found_among_nobody_and_for_no_place():
    assert select(ask([], 3, OPTIONS)) == []
    assert select(ask([site("a", 1.0, 2.0)], 0, OPTIONS)) == []


@settings(max_examples=50)
@given(question=questions(OPTIONS))
def test_the_answer_obeys_the_laws(question):
    answer = assert_lawful(select, question)
    known = {c.client for c in question.candidates if c.intensity_gco2eq_per_kwh is not None}
    assert set(answer) <= known
