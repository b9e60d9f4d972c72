"""A fixed threshold: only clean grids, the cleanest first, and nobody without a quorum."""

from hypothesis import given, settings

from scheduler.policies.selection_context import Candidate
from scheduler.policies.threshold import select
from tests.unit.scheduler.policies.laws import ask, assert_lawful, questions

OPTIONS = {"threshold_gco2eq_per_kwh": 200.0}


def on(**intensities: float | None) -> list[Candidate]:
    return [Candidate(c, intensity_gco2eq_per_kwh=ci) for c, ci in intensities.items()]


def test_the_cleanest_at_or_below_the_threshold_are_invited():
    grids = on(pl=700.0, at=200.0, gb=199.0, dk=200.1, fr=60.0)
    # 60 < 199 < 200 <= theta = 200 < 200.1 < 700.
    assert select(ask(grids, 5, OPTIONS)) == ["fr", "gb", "at"]
    assert select(ask(grids, 2, OPTIONS)) == ["fr", "gb"]


def test_nobody_is_invited_while_the_clean_make_no_quorum():
    grids = on(fr=60.0, gb=199.0, pl=700.0)
    assert select(ask(grids, 3, OPTIONS, quorum=2)) == ["fr", "gb"]
    assert select(ask(grids, 3, OPTIONS, quorum=3)) == []


def test_another_threshold_lets_others_in():
    grids = on(fr=60.0, gb=199.0)
    assert select(ask(grids, 2, {"threshold_gco2eq_per_kwh": 100.0})) == ["fr"]


def test_an_unknown_intensity_is_not_clean():
    assert select(ask(on(fr=None, gb=199.0), 2, OPTIONS)) == ["gb"]


def test_grids_as_clean_as_each_other_go_by_id():
    assert select(ask(on(b=10.0, a=10.0), 1, OPTIONS)) == ["a"]


def test_nobody_is_found_among_nobody_and_for_no_place():
    assert select(ask([], 3, OPTIONS)) == []
    assert select(ask(on(fr=60.0), 0, OPTIONS)) == []


@settings(max_examples=50)
@given(question=questions(OPTIONS))
def test_the_answer_obeys_the_laws_and_the_threshold(question):
    answer = assert_lawful(select, question)
    clean = {c.client: c.intensity_gco2eq_per_kwh for c in question.candidates}
    assert all(clean[client] is not None and clean[client] <= 200.0 for client in answer)
