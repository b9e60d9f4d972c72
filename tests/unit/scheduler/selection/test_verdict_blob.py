"""What is kept of a plan holds all of it: every code, gate, figure and note, one row a client."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.gate.gate import Gate
from scheduler.ledger.blobs import Blobs
from scheduler.policies.policy import POLICIES
from scheduler.policies.reason import Because
from scheduler.selection.plan import plan_round
from scheduler.selection.verdict import Verdicts
from scheduler.selection.verdict_blob import VerdictTable, keep_verdicts, read_verdicts
from tests.unit.scheduler.selection.test_plan import client, grid, situation
from tests.unit.scheduler.selection.test_plan_laws import cases, plan
from tests.unit.scheduler.story import HOUR, NOON, gate, spec


@pytest.fixture
def blobs(tmp_path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def kept(blobs: Blobs, verdicts: Verdicts) -> VerdictTable:
    table = read_verdicts(blobs, keep_verdicts(blobs, verdicts))
    assert table is not None
    return table


def rounded(figure: float | None) -> object:
    return None if figure is None or math.isnan(figure) else pytest.approx(figure, rel=1e-5)


@given(case=cases, policy=st.sampled_from(sorted(POLICIES)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_verdict_is_kept_as_it_was(blobs, case, policy):
    verdicts = plan(case, policy).verdicts
    table = kept(blobs, verdicts)
    assert table.weights == verdicts.scores.weights
    for was, row in zip(verdicts, table.rows, strict=True):
        assert (row.client, row.code, row.note) == (was.client, was.code, was.note)
        assert (row.gate and Gate.from_payload(row.gate)) == was.gate
        assert row.expected_gco2eq == rounded(was.expected_gco2eq)
        assert was.score is not None
        assert row.score == rounded(was.score.value)
        assert row.figures == tuple(map(rounded, was.score.figures))


def test_gates_that_were_made_by_hand_are_kept_too(blobs):
    gates = {"a": gate("open_by_patience"), "b": gate("closed", since=NOON - HOUR)}
    now = situation(client("a"), client("b"), client("c"), gates=gates)
    verdicts = plan_round(spec(quorum=1), now, number=1, so_far=None).verdicts
    told = [row.gate and Gate.from_payload(row.gate) for row in kept(blobs, verdicts).rows]
    assert told == [gates["a"], gates["b"], None]


def test_figures_are_kept_to_six_digits(blobs):
    now = situation(client("a", energy_per_update_wh=1234567.891), client("b"))
    now = situation(*now.clients, readings={"a": grid(1000.0), "b": None})
    table = kept(blobs, plan_round(spec(), now, number=1, so_far=None).verdicts)
    place = list(table.weights).index("grams_per_update")
    assert [row.figures[place] for row in table.rows] == [1234570.0, None]
    place = list(table.weights).index("participation")
    assert [row.figures[place] for row in table.rows] == [0.0, 0.0]


def test_notes_of_any_kind_are_kept(blobs):
    made = plan_round(spec(), situation(*map(client, "abc")), number=1, so_far=None)
    notes: dict[str, Because] = {
        "a": {"code": "owed", "debt": 2.5, "slot": None, "since": 0.0},
        "b": {"code": None, "debt": None, "slot": "noon", "since": "dawn"},
        "c": {"code": "cheap"},
    }
    table = kept(blobs, replace(made.verdicts, notes=notes))
    assert {row.client: row.note for row in table.rows} == notes


def test_fewer_epochs_are_expected_to_emit_less(blobs):
    people = [client("a", energy_per_update_wh=2.0), client("b", energy_per_update_wh=2.0)]
    made = plan_round(spec(), situation(*people), number=1, so_far=None)
    less = replace(made.verdicts, expected_gco2eq=np.array([0.1, 0.025]))
    assert [row.expected_gco2eq for row in kept(blobs, less).rows] == [0.1, 0.025]


def test_equal_verdicts_are_one_blob(blobs):
    first, again = (
        plan_round(spec(), situation(*map(client, "abc")), number=1, so_far=None).verdicts
        for _ in range(2)
    )
    assert keep_verdicts(blobs, first) == keep_verdicts(blobs, again)
    assert len(blobs.names()) == 1


def test_verdicts_are_unknown_where_none_were_kept_or_the_blob_is_gone_or_damaged(blobs):
    made = plan_round(spec(), situation(*map(client, "abc")), number=1, so_far=None)
    name = keep_verdicts(blobs, made.verdicts)
    assert read_verdicts(blobs, None) is None
    assert read_verdicts(blobs, blobs.put(b"no table")) is None
    blobs.remove(name)
    assert read_verdicts(blobs, name) is None
