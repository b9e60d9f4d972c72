"""Patches: applied to what a page holds they give the newest document, and they are small."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tasks.monitor.page.patch import make_patch
from tests.unit.tasks.monitor.flower_site import applied

LEAVES = st.none() | st.booleans() | st.integers(0, 9) | st.text("ab", max_size=2)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text("xyz"), inner, max_size=4),
    max_leaves=30,
)
DOCUMENTS = st.dictionaries(st.text("xyz", max_size=2), VALUES, max_size=5)


@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_turns_the_old_document_into_the_new_one(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert applied(old, make_patch(old, new)) == new


@given(DOCUMENTS)
def test_nothing_changed_is_an_empty_patch(document: dict[str, Any]) -> None:
    assert make_patch(document, dict(document)) == {}


def test_a_chart_that_grows_sends_its_new_point_alone() -> None:
    old, new = {"values": list(range(300))}, {"values": list(range(1, 301))}
    assert make_patch(old, new) == {"values": {"$keep": [1, 299], "$after": [300]}}


def test_a_figure_that_became_unknown_is_null_and_one_that_went_is_gone() -> None:
    assert make_patch({"a": 1, "b": 2, "c": 3}, {"a": None, "b": 2}) == {"a": None, "$gone": ["c"]}


def test_a_row_that_changed_sends_the_figure_that_changed() -> None:
    old = {"rows": {"berlin": {"gate": "open", "why": "x"}, "paris": {"gate": "open", "why": "y"}}}
    new = {"rows": {**old["rows"], "paris": {"gate": "closed", "why": "y"}}}
    assert make_patch(old, new) == {"rows": {"paris": {"gate": "closed"}}}
