"""What `metrics` may return: numbers by name. What is not finite is unknown, and named."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from common.errors import WorkloadError
from models.evaluation import evaluate
from models.version import initial_version
from models.workload import states_lower


def evaluated(workload: Any, **more: Any) -> dict[str, float | None]:
    base = initial_version(workload, 1)
    return evaluate(workload, workload.model(), base, workload.test_data(), **more)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, torch.tensor(math.nan), np.array([math.nan]), None],
)
def test_a_figure_that_is_not_finite_or_none_is_unknown_under_its_name(
    make_workload: Any, value: Any
):
    found = evaluated(make_workload(metrics=lambda _outputs, _targets: {"auc": value, "f1": 0.5}))
    assert found["auc"] is None
    assert found["f1"] == 0.5


def test_a_loss_that_is_not_finite_is_unknown(make_workload: Any):
    workload = make_workload(loss=lambda outputs, _targets: outputs.sum() * math.inf)
    assert evaluated(workload)["loss"] is None


@pytest.mark.parametrize(
    "value",
    [
        1, True, 0.5, torch.tensor(0.5), torch.tensor([0.5]), np.float32(0.5), np.array(0.5),
        np.array([[0.5]]),
    ],
)  # fmt: skip
def test_whatever_is_one_number_counts(make_workload: Any, value: Any):
    workload = make_workload(metrics=lambda _outputs, _targets: {"m": value})
    assert evaluated(workload)["m"] == (1.0 if value is True or value == 1 else 0.5)


@pytest.mark.parametrize(
    "value",
    [
        "0.9", {"a": 1}, torch.ones(3), np.ones(3), 1j, [0.5], np.array([1j]),
        np.array("0.9"), np.array(["0.9"]), b"1", bytearray(b"1"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_named(make_workload: Any, value: object):
    workload = make_workload(metrics=lambda _outputs, _targets: {"top_1": value})
    with pytest.raises(WorkloadError, match=r"a \w+ for top_1, which is no single figure"):
        evaluated(workload)


@pytest.mark.parametrize("returned", [None, 0.5, [("accuracy", 0.5)]])
def test_what_is_no_dict_is_refused(make_workload: Any, returned: object):
    with pytest.raises(WorkloadError, match=f"returned a {type(returned).__name__}"):
        evaluated(make_workload(metrics=lambda _outputs, _targets: returned))


@pytest.mark.parametrize("name", ["", "-mae", "two\nlines", "x" * 65])
def test_a_name_that_cannot_be_shown_is_refused(make_workload: Any, name: str):
    with pytest.raises(WorkloadError, match="Use 1 to 64 printable characters"):
        evaluated(make_workload(metrics=lambda _outputs, _targets: {name: 0.5}))


@pytest.mark.parametrize("name", ["top-1 acc", "auc/roc", "Genauigkeit ä", "f1@0.5", "=cmd"])
def test_any_other_name_is_taken(make_workload: Any, name: str):
    assert evaluated(make_workload(metrics=lambda _outputs, _targets: {name: 0.5}))[name] == 0.5


def test_how_far_an_evaluation_has_come_is_called_out(make_workload: Any):
    seen: list[tuple[int, int]] = []
    workload = make_workload()
    evaluated(workload, on_batch=lambda done, every: seen.append((done, every)))
    count = len(workload.test_data())
    assert seen[-1] == (count, count)


def test_a_workload_states_of_which_metrics_less_is_better(make_workload: Any):
    workload = make_workload(lower_is_better={"gap"})
    assert states_lower(workload, "gap")
    assert not states_lower(workload, "accuracy")
    assert not states_lower(make_workload(), "gap")
    for wrong in ("gap", 1):
        with pytest.raises(WorkloadError, match="Define a set of names"):
            states_lower(make_workload(lower_is_better=wrong), "gap")
