"""What a ledger keeps of a plan tells all of it again: every code, gate, figure and sentence."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.policies import POLICIES
from scheduler.policies.result import Because
from scheduler.selection.plan import plan_round
from scheduler.selection.verdict import Verdicts, why
from scheduler.selection.verdict_columns import describe, read_verdicts
from tests.unit.scheduler.selection.test_plan import client, grid, situation
from tests.unit.scheduler.selection.test_plan_laws import cases, plan
from tests.unit.scheduler.story import HOUR, NOON, gate, spec


def kept(verdicts: Verdicts) -> Verdicts:
    return read_verdicts(json.loads(json.dumps(describe(verdicts), allow_nan=False)))


@given(case=cases, policy=st.sampled_from(sorted(POLICIES)))
def test_every_verdict_is_told_again_as_it_was(case, policy):
    verdicts = plan(case, policy).verdicts
    for was, now in zip(verdicts, kept(verdicts), strict=True):
        assert (now.client, now.code, now.gate) == (was.client, was.code, was.gate)
        assert now.note == {
            name: pytest.approx(said, rel=1e-3) if isinstance(said, float) else said
            for name, said in was.note.items()
        }
        assert (now.expected_gco2eq is None) == (was.expected_gco2eq is None)
        assert (now.expected_gco2eq or 0.0) == pytest.approx(was.expected_gco2eq or 0.0, rel=1e-5)
        assert was.score is not None
        assert now.score is not None
        assert now.score.value == pytest.approx(was.score.value, rel=1e-5)
        assert now.score.unknown == was.score.unknown
        for part, before in zip(now.score.parts, was.score.parts, strict=True):
            assert (part.name, part.unit, part.weight) == (before.name, before.unit, before.weight)
            assert part.value == pytest.approx(before.value, rel=1e-5)


def test_gates_that_were_made_by_hand_are_kept_too():
    gates = {"a": gate("open_by_patience"), "b": gate("closed", since=NOON - HOUR)}
    now = situation(client("a"), client("b"), client("c"), gates=gates)
    verdicts = plan_round(spec(quorum=1), now, number=1, so_far=None).verdicts
    told = kept(verdicts)
    assert [verdict.gate for verdict in told] == [gates["a"], gates["b"], None]
    assert [why(verdict) for verdict in told] == [why(verdict) for verdict in verdicts]


def test_figures_are_kept_to_six_digits():
    now = situation(client("a", energy_per_update_wh=1234567.891), client("b"))
    now = situation(*now.clients, readings={"a": grid(1000.0), "b": None})
    body = describe(plan_round(spec(), now, number=1, so_far=None).verdicts)
    assert body["figures"]["grams_per_update"] == [1234570.0, None]
    assert body["figures"]["participation"] == {"all": 0.0}


def test_notes_of_any_kind_are_kept():
    made = plan_round(spec(), situation(*map(client, "abc")), number=1, so_far=None)
    notes: dict[str, Because] = {
        "a": {"code": "owed", "debt": 2.5, "slot": None, "since": 0.0},
        "b": {"code": None, "debt": None, "slot": "noon", "since": "dawn"},
        "c": {"code": "cheap"},
    }
    told = kept(replace(made.verdicts, notes=notes))
    assert {verdict.client: verdict.note for verdict in told} == notes


def test_fewer_epochs_are_expected_to_emit_less():
    people = [client("a", energy_per_update_wh=2.0), client("b", energy_per_update_wh=2.0)]
    made = plan_round(spec(), situation(*people), number=1, so_far=None)
    less = replace(made.verdicts, expected_gco2eq=np.array([0.1, 0.025]))
    assert describe(less)["expected_gco2eq"] == {"place": [1], "gco2eq": [0.025]}
    assert [verdict.expected_gco2eq for verdict in kept(less)] == [0.1, 0.025]


ROWS: list[dict[str, Any]] = [
    {
        "client": "a",
        "code": "invited",
        "gate": gate("open").to_payload().model_dump(mode="json"),
        "expected_gco2eq": 0.1,
        "score": 0.75,
        "parts": {"grams_per_update": [0.1, 1.0, 0.5], "participation": [3, 0.5, 0.15]},
        "note": {"code": "cheap"},
    },
    {
        "client": "b",
        "code": "silent",
        "gate": None,
        "expected_gco2eq": None,
        "score": 0.25,
        "parts": {"participation": [0, 0.5, 0.15]},
    },
]
"""As a plan's verdicts were written before they were kept in columns."""


def test_rows_of_earlier_versions_are_read():
    first, second = read_verdicts(ROWS)
    assert (first.client, first.code, first.gate) == ("a", "invited", gate("open"))
    assert (first.expected_gco2eq, first.note) == (0.1, {"code": "cheap"})
    assert first.score is not None
    assert first.score.value == 0.75
    assert [(part.name, part.value, part.weight) for part in first.score.parts] == [
        ("grams_per_update", 0.1, 0.5),
        ("participation", 3.0, 0.15),
    ]
    assert (second.code, second.gate, second.expected_gco2eq) == ("silent", None, None)
    assert second.score is not None
    assert second.score.unknown == ("grams_per_update",)


def test_a_plan_without_verdicts_tells_of_nobody():
    assert len(read_verdicts([])) == 0
