"""What a policy may answer beyond ids: fewer epochs, weights, reasons."""

import sys
from dataclasses import replace
from typing import Any

import pytest

from common.errors import SettingError
from scheduler.policies import policy as policies
from scheduler.policies.selection_context import Candidate
from scheduler.policies.selection_result import SelectionResult
from tests.unit.scheduler.policies.laws import ask as question_of

QUESTION = replace(question_of([Candidate("a"), Candidate("b")], 2, {}), epochs=5)


def anything(value: Any) -> Any:
    """Return a value of a type that no type checker has seen, as a user's policy may."""
    return value


def test_answer_of_ids_alone_leaves_work_and_weights_as_the_run_has_them():
    said = policies.apply_policy("all", QUESTION)
    assert (said.cohort, said.epochs, said.weights) == (["a", "b"], {}, {})


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (SelectionResult(("a", "a")), "chose a client twice"),
        (SelectionResult(("z",)), "one that is no candidate"),
        (SelectionResult(("a",), epochs={"a": 5.5}), "more than 5 local epochs"),
        (SelectionResult(("a",), epochs={"a": 0}), "chose no local work"),
        (SelectionResult(("a",), epochs={"a": float("nan")}), "chose no local work"),
        (SelectionResult(("a",), weights={"a": 17.0}), "a weight outside 1/16 to 16"),
        (SelectionResult(("a",), weights={"a": float("nan")}), "a weight outside 1/16 to 16"),
        (
            SelectionResult(("a",), because=anything("clean")),
            "mine returned a because that the ledger",
        ),
        (
            SelectionResult(("a",), because={"code": anything({"x"})}),
            "mine returned a because that the",
        ),
        (SelectionResult(("a",), because={"g": float("inf")}), "mine returned a because that the"),
        (
            SelectionResult(("a",), notes={"a": {"g": anything([1])}}),
            "mine returned a note on a that the",
        ),
        (SelectionResult(("a",), target=0), "mine returned the target 0"),
    ],
)
def test_answer_that_cannot_be_carried_out_is_refused_with_one_sentence(monkeypatch, bad, what):
    monkeypatch.setitem(policies.POLICIES, "mine", policies.Policy(lambda _: bad, "mine"))
    with pytest.raises(SettingError, match=what):
        policies.apply_policy("mine", QUESTION)


def test_a_policy_that_leaves_is_one_that_raised(monkeypatch):
    monkeypatch.setitem(policies.POLICIES, "mine", policies.Policy(lambda _: sys.exit(3), "mine"))
    with pytest.raises(SettingError, match="raised SystemExit: 3"):
        policies.apply_policy("mine", QUESTION)


@pytest.mark.parametrize("source", ["1 / 0", "def", "raise SystemExit(3)"])
def test_a_policy_whose_module_raises_is_one_clear_line(tmp_path, monkeypatch, source):
    (tmp_path / "broken_policy.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingError, match="broken_policy:choose' cannot be loaded"):
        policies.find_policy("broken_policy:choose")
