"""Fewer points draw the same line: peaks, troughs and gaps stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.monitor.page.thinning import merged, thinned

LINES = st.lists(st.floats(0, 1000), min_size=1, max_size=600)


@given(LINES)
def test_the_highest_the_lowest_and_the_last_point_stay(values: list[float]) -> None:
    kept = thinned(range(len(values)), values, unit=1, most=50)
    drawn = [values[i] for i in kept]
    assert (min(drawn), max(drawn), drawn[-1]) == (min(values), max(values), values[-1])
    assert kept == sorted(set(kept))
    assert len(kept) <= 51


@given(LINES, st.floats(0, 1000))
def test_a_new_point_changes_the_end_of_the_line_alone(values: list[float], new: float) -> None:
    before = thinned(range(len(values)), values, unit=1, most=1000)
    after = thinned(range(len(values) + 1), [*values, new], unit=1, most=1000)
    assert after[: len(before)] == before


def test_a_gap_is_as_long_as_it_is() -> None:
    values = [1.0] * 100 + [None] * 3 + [1.0] * 100
    kept = thinned(range(203), values, unit=1, most=20)
    assert {99, 100, 102, 103} <= set(kept)


def test_spans_that_cannot_be_told_apart_are_one() -> None:
    assert merged([(0, 5), (6, 9), (40, 50)], resolution=10) == [(0, 1), (2, 2)]
