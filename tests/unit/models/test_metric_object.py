"""Metrics in object form: each evaluation begins anew, sees every batch, and keeps none."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from common import settings
from common.errors import WorkloadError
from models.configured import configured
from models.evaluation import evaluate
from models.version import initial_version
from tests.known import known


class Mean:
    """The mean of all targets, and how many batches it saw."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.total, self.count, self.batches = 0.0, 0, 0

    def update(self, _outputs: Tensor, targets: Tensor) -> None:
        self.total += targets.sum().item()
        self.count += len(targets)
        self.batches += 1

    def compute(self) -> dict[str, float]:
        return {"mean": self.total / self.count, "batches": self.batches}


def new_mean() -> Mean:
    return Mean()


class Single(Mean):
    def compute(self) -> Any:
        return torch.tensor(self.total / self.count)


@pytest.fixture
def batch_of_two(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set how many examples an evaluation takes at once."""
    monkeypatch.setenv("FAIRWIND_EVALUATION_BATCH_SIZE", "2")
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


def six() -> TensorDataset:
    return TensorDataset(torch.zeros(6, 3), torch.arange(6.0).unsqueeze(1))


def evaluated(workload: Any) -> dict[str, float]:
    base = initial_version(workload, 1)
    return known(evaluate(workload, workload.model(), base, workload.test_data()))


@pytest.mark.parametrize("metrics", [Mean, new_mean, Mean()])
def test_class_function_and_object_see_every_batch_once(
    make_workload: Any, batch_of_two: None, metrics: Any
) -> None:
    workload = make_workload(metrics=metrics, test_data=six)
    for _ in range(2):
        found = evaluated(workload)
        assert (found["mean"], found["batches"]) == (2.5, 3)


def test_loss_on_the_way_is_that_of_the_whole_set(make_workload: Any, batch_of_two: None) -> None:
    on_the_way = evaluated(make_workload(metrics=Mean, test_data=six))
    at_once = evaluated(make_workload(test_data=six))
    assert on_the_way["loss"] == pytest.approx(at_once["loss"], rel=1e-6)


def test_a_single_figure_has_the_name_of_its_class(make_workload: Any) -> None:
    assert evaluated(make_workload(metrics=Single, test_data=six))["Single"] == 2.5


def test_a_function_that_returns_the_object_may_take_the_runs_options(make_workload: Any) -> None:
    def metrics(options: dict[str, Any]) -> Mean:
        mean = Mean()
        mean.total = options.get("begin", 0)
        return mean

    workload = configured(make_workload(metrics=metrics, test_data=six), {"begin": 6})
    assert evaluated(workload)["mean"] == 3.5


def test_metrics_without_arguments_that_return_no_object_are_refused(make_workload: Any) -> None:
    with pytest.raises(WorkloadError, match="without arguments, and that returned a dict"):
        evaluated(make_workload(metrics=lambda: {"accuracy": 1.0}))


def test_memory_holds_one_batch(make_workload: Any, batch_of_two: None) -> None:
    seen: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    class Watching(Mean):
        def update(self, outputs: Tensor, targets: Tensor) -> None:
            super().update(outputs, targets)
            seen.append(weakref.ref(outputs))
            alive.append(sum(each() is not None for each in seen))

    evaluated(make_workload(metrics=Watching, test_data=six))
    assert alive == [1, 1, 1]


def test_outputs_that_cannot_be_joined_name_the_way_out(
    make_workload: Any, batch_of_two: None
) -> None:
    lengths = iter([1, 2, 3])

    def collate(items: list[Any]) -> tuple[Tensor, Tensor]:
        x = torch.zeros(len(items), 3)
        return x, torch.zeros(len(items), next(lengths))

    workload = make_workload(collate=collate, test_data=six)
    with pytest.raises(WorkloadError, match=r"cannot be joined.*object with update"):
        evaluated(workload)
