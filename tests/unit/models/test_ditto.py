"""Ditto's steps against hand-computed numbers: a client whose loss is a/2 (y - b)**2."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters
from models.local_result import LocalResult
from models.memory import as_part
from models.personal import DITTO, own_model
from models.training import Trainer


class Quadratic(nn.Module):
    """One weight y; its output is y for every example."""

    def __init__(self) -> None:
        super().__init__()
        self.y = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.y.expand(len(x))


def train(make_workload: Any, steps: int, v: float | None, **more: Any) -> LocalResult:
    """Train with a = 1, b = 1, eta = 0.5, from x = 0."""
    one = torch.ones(1, dtype=torch.float64)
    workload = make_workload(
        model=Quadratic, train_data=lambda _: TensorDataset(one, one),
        loss=lambda y, b: ((y - b) ** 2 / 2).mean(),
    )  # fmt: skip
    asked = Hyperparameters(learning_rate=0.5, steps=steps, **more)
    memory = {} if v is None else as_part({"y": torch.tensor(v, dtype=torch.float64)}, DITTO)
    return Trainer(workload, "c").train(
        {"y": torch.tensor(0.0, dtype=torch.float64)}, hyperparameters=asked, seed=1, memory=memory
    )


def own(result: LocalResult) -> float:
    return float(own_model({}, result.memory)["y"])


def test_each_step_is_drawn_to_the_pulled_model(make_workload: Any) -> None:
    # v = 2, lambda = 0.5: v - 0.5 ((2 - 1) + 0.5 (2 - 0)) = 1
    assert own(train(make_workload, 1, 2.0, ditto=0.5)) == 1.0
    # then 1 - 0.5 ((1 - 1) + 0.5 (1 - 0)) = 0.75, and 0.75 - 0.5 (-0.25 + 0.375) = 0.6875
    assert own(train(make_workload, 2, 2.0, ditto=0.5)) == 0.75
    assert own(train(make_workload, 3, 2.0, ditto=0.5)) == 0.6875


def test_it_settles_between_the_site_s_optimum_and_the_pulled_model(make_workload: Any) -> None:
    # where (v - 1) + lambda (v - 0) = 0: v = 1 / (1 + lambda)
    for ditto in (0.1, 1.0):
        found = own(train(make_workload, 200, None, ditto=ditto))
        assert found == pytest.approx(1 / (1 + ditto))


def test_what_travels_is_as_without_it(make_workload: Any) -> None:
    plain = train(make_workload, 3, None)
    beside = train(make_workload, 3, 2.0, ditto=0.5)
    assert plain.memory == {}
    assert float(beside.delta["y"]) == float(plain.delta["y"]) == 0.875
    assert set(beside.memory) == {"ditto/y"}
    assert (beside.num_steps, beside.loss) == (plain.num_steps, plain.loss)


def test_at_first_it_starts_from_the_pulled_model(make_workload: Any) -> None:
    assert own(train(make_workload, 1, None, ditto=0.5)) == 0.5


def test_a_proximal_term_of_the_global_model_is_its_own(make_workload: Any) -> None:
    # y: 0.5, then 0.5 - 0.5 (-0.5 + 1 * 0.5) = 0.5; v as above
    result = train(make_workload, 2, 2.0, ditto=0.5, proximal_mu=1.0)
    assert float(result.delta["y"]) == 0.5
    assert own(result) == 0.75


def test_epochs_of_both_models_are_announced_as_one_sequence(make_workload: Any) -> None:
    calls = []
    workload = make_workload(model=lambda: nn.Linear(3, 1))
    Trainer(workload, "c").train(
        {"weight": torch.zeros(1, 3), "bias": torch.zeros(1)},
        hyperparameters=Hyperparameters(epochs=2, ditto=0.1), seed=0,
        on_epoch=lambda *call: calls.append(call[:2]),
    )  # fmt: skip
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
