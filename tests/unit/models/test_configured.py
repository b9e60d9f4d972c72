"""The options of a run reach those functions of a workload that have such a parameter."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from common.errors import WorkloadError
from models.configured import check_options, configured, options_key
from models.server_optimizers import make_server_optimizer


def workload(**functions: Any) -> Any:
    return SimpleNamespace(
        model=lambda: "model", train_data=lambda client: client, test_data=lambda: None,
        loss=nn.functional.cross_entropy, metrics=lambda _outputs, _targets: {}, **functions,
    )  # fmt: skip


def test_only_functions_with_the_parameter_are_handed_the_options():
    made: Any = configured(
        workload(
            optimizer=lambda parameters, hyperparameters, options: (parameters, options),
            held_out_data=lambda client_id, *, options=None: (client_id, options),
        ),
        {"width": 3},
    )
    assert made.optimizer("p", "h") == ("p", {"width": 3})
    assert made.held_out_data("a") == ("a", {"width": 3})
    assert made.model() == "model"
    assert made.loss is nn.functional.cross_entropy
    assert not hasattr(made, "training_step")


def test_a_function_that_changes_its_options_changes_nobody_elses():
    made: Any = configured(workload(held_out_data=lambda _c, options: options), {"width": 3})
    made.held_out_data("a").clear()
    assert made.held_out_data("a") == {"width": 3}


def test_without_options_functions_are_handed_none():
    made: Any = configured(workload(held_out_data=lambda _c, options: options), {})
    assert made.held_out_data("a") == {}


def test_a_workload_without_the_parameter_stays_what_it_is():
    plain = workload()
    assert configured(plain, {}) is plain


def test_options_that_reach_no_function_are_refused():
    with pytest.raises(WorkloadError) as caught:
        check_options(
            workload(), {"width": 3, "kind": "x"}, server_optimizer=make_server_optimizer("fedavg")
        )
    assert str(caught.value) == (
        "The workload SimpleNamespace has no function with a parameter named options, so width, "
        "kind would have no effect, and nothing is trained. Leave out --option, or write for "
        "instance model(options)."
    )


def test_options_that_only_the_users_server_optimizer_takes_are_not_refused():
    optimizer = make_server_optimizer("tests.fakes.own_server_optimizer:clipped", {"most": 1.0})
    check_options(workload(), {"most": 1.0}, server_optimizer=optimizer)


def test_true_is_not_one():
    assert len({options_key({"a": value}) for value in (True, 1, 1.0, "1")}) == 4
    assert options_key({"a": 1, "b": 2}) == options_key({"b": 2, "a": 1})
