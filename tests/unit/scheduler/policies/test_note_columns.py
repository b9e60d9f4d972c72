"""Notes as columns: each made when it is read, and refused as others are if a figure is none."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import numpy as np
import pytest

from scheduler.policies.selection_context import Candidate, SelectionContext
from scheduler.policies.selection_result import NoteColumns, SelectionResult, fault

CONTEXT = SelectionContext(
    (Candidate("a"), Candidate("b")), 1, 1, 1, datetime(2026, 3, 1, tzinfo=UTC), Random(0)
)


def columns(*grams: float) -> NoteColumns:
    return NoteColumns("price", ["a", "b"], {"now_gco2eq": np.array(grams)})


def test_a_note_has_the_code_and_the_clients_own_figures_as_plain_numbers() -> None:
    notes = columns(1.5, 2.5)
    assert notes == {
        "a": {"code": "price", "now_gco2eq": 1.5}, "b": {"code": "price", "now_gco2eq": 2.5},
    }  # fmt: skip
    assert type(notes["b"]["now_gco2eq"]) is float
    assert notes.get("c") is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_figure_that_the_ledger_cannot_keep_is_a_fault(wrong: float) -> None:
    assert fault(SelectionResult(["a"], notes=columns(1.0, 2.0)), CONTEXT) is None
    found = fault(SelectionResult(["a"], notes=columns(1.0, wrong)), CONTEXT)
    assert found is not None
    assert "returned a note on b that the ledger cannot keep" in found
