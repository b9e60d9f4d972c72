"""What a policy may answer beyond ids: fewer epochs, weights, reasons."""

from dataclasses import replace

import pytest

from common.errors import SettingError
from scheduler import policies
from scheduler.policies.selection_context import Candidate
from scheduler.policies.selection_result import SelectionResult
from tests.unit.scheduler.policies.laws import ask as question_of

QUESTION = replace(question_of([Candidate("a"), Candidate("b")], 2, {}), epochs=5)


def test_answer_of_ids_alone_leaves_work_and_weights_as_the_run_has_them():
    said = policies.apply_policy("all", QUESTION)
    assert (said.cohort, said.epochs, said.weights) == (["a", "b"], {}, {})


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (SelectionResult(("a", "a")), "chose a client twice"),
        (SelectionResult(("z",)), "one that is no candidate"),
        (SelectionResult(("a",), epochs={"a": 6}), "other than 1 to 5 local epochs"),
        (SelectionResult(("a",), epochs={"a": 0}), "other than 1 to 5 local epochs"),
        (SelectionResult(("a",), weights={"a": 17.0}), "a weight outside 1/16 to 16"),
        (SelectionResult(("a",), weights={"a": float("nan")}), "a weight outside 1/16 to 16"),
    ],
)
def test_answer_that_cannot_be_carried_out_is_refused_with_one_sentence(monkeypatch, bad, what):
    monkeypatch.setitem(policies.POLICIES, "mine", policies.Policy(lambda _: bad, "mine"))
    with pytest.raises(SettingError, match=what):
        policies.apply_policy("mine", QUESTION)
