"""Who evaluates a run is its own choice, as far as there are data to evaluate on."""

from types import SimpleNamespace

import pytest

from common.errors import WorkloadError
from models.evaluators import coordinator_evaluates


def here(evaluate, *, test: bool, held_out: bool) -> bool:
    made = SimpleNamespace(__name__="heart", **({"held_out_data": id} if held_out else {}))
    return coordinator_evaluates(made, has_test_data=test, evaluate=evaluate)


@pytest.mark.parametrize("held_out", [True, False])
def test_the_coordinator_evaluates_if_it_has_test_data_and_nothing_else_is_asked(held_out):
    assert here(None, test=True, held_out=held_out)
    assert not here(None, test=False, held_out=held_out)


def test_sites_evaluate_whatever_the_coordinator_has():
    assert not here("sites", test=True, held_out=True)
    assert here("both", test=True, held_out=True)
    assert here("coordinator", test=True, held_out=True)


@pytest.mark.parametrize(
    ("evaluate", "test", "held_out", "fault"),
    [
        ("coordinator", False, True, "test_data of heart returns None.*--evaluate sites"),
        ("both", False, True, "test_data of heart returns None.*--evaluate sites"),
        ("sites", True, False, "heart defines no held_out_data.*--evaluate coordinator"),
        ("both", True, False, "heart defines no held_out_data.*--evaluate coordinator"),
    ],
)
def test_a_run_that_nobody_could_evaluate_as_asked_is_refused(evaluate, test, held_out, fault):
    with pytest.raises(WorkloadError, match=fault):
        here(evaluate, test=test, held_out=held_out)
