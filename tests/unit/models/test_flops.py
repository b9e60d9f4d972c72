"""FLOPs of training on one example equal what one works out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters
from models.flops import flops_per_example
from models.training import Trainer
from models.update import model_state
from models.workloads import digits


def perceptron(*, frozen: bool = False) -> nn.Sequential:
    first = nn.Linear(64, 128).requires_grad_(requires_grad=not frozen)
    return nn.Sequential(first, nn.ReLU(), nn.Linear(128, 10))


def flops(model: nn.Module, **more: Any) -> float | None:
    return flops_per_example(digits, model, digits.test_data(), **({"batch_size": 32} | more))


def test_a_trained_layer_counts_forward_and_backward_for_weights_and_inputs() -> None:
    first, second = 2 * 64 * 128, 2 * 128 * 10
    # The pixels need no gradient, so the first layer goes backward for its weights alone.
    assert flops(perceptron()) == first + second + first + 2 * second


def test_a_frozen_layer_that_leads_to_no_trained_one_counts_forward_alone() -> None:
    first, second = 2 * 64 * 128, 2 * 128 * 10
    # Of the second layer only the weights need a gradient.
    assert flops(perceptron(frozen=True)) == first + 2 * second


def test_an_example_has_the_same_flops_in_a_batch_of_any_size() -> None:
    assert flops(perceptron(), batch_size=7) == flops(perceptron(), batch_size=360)


def test_code_that_looks_at_values_leaves_the_flops_unknown(make_workload: Any) -> None:
    class Looks(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if x.sum().item() > 0 else super().forward(-x)

    workload = make_workload(model=lambda: Looks(3, 1))
    data = workload.test_data()
    assert flops_per_example(workload, workload.model(), data, batch_size=8) is None


def test_a_trainer_counts_where_it_is_asked_and_trains_the_same_bits(make_workload: Any) -> None:
    workload = make_workload(
        model=lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    )
    trainer = Trainer(workload, "ann")
    base = model_state(workload.model())
    asked = Hyperparameters(epochs=1, batch_size=10, learning_rate=0.1)
    plain = trainer.train(base, hyperparameters=asked, seed=1)
    counted = trainer.train(base, hyperparameters=asked, seed=1, counts_flops=True)
    again = trainer.train(base, hyperparameters=asked, seed=1, counts_flops=True)
    assert plain.flops_per_example is None
    # 2 * (3 * 4 + 4 * 1) forward; backward 3 * 4 for weights alone, 4 * 1 for weights and inputs.
    assert counted.flops_per_example == again.flops_per_example == 32 + 24 + 16
    for name, delta in plain.delta.items():
        assert torch.equal(counted.delta[name], delta)
        assert torch.equal(again.delta[name], delta)


@pytest.mark.parametrize("own", ["loop", "ditto"])
def test_the_flops_of_an_own_loop_and_of_ditto_are_unknown(make_workload: Any, own: str) -> None:
    def train(model: nn.Module, data: Any, context: Any) -> dict[str, float]:
        return {"loss": 1.0}

    workload = make_workload(**({"train": train} if own == "loop" else {}))
    asked = Hyperparameters(epochs=1, ditto=0.1 if own == "ditto" else None)
    result = Trainer(workload, "ann").train(
        model_state(workload.model()), hyperparameters=asked, seed=1, counts_flops=True
    )
    assert result.flops_per_example is None


def test_a_batch_norm_that_cannot_train_on_one_example_does_not_stop_the_count() -> None:
    data = TensorDataset(torch.zeros(1, 64), torch.zeros(1, dtype=torch.long))
    model = nn.Sequential(nn.Linear(64, 10), nn.BatchNorm1d(10))
    assert flops_per_example(digits, model, data, batch_size=32) is None
