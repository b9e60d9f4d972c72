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


def flops(model: nn.Module) -> float | None:
    return flops_per_example(digits, model, digits.test_data())


def test_a_trained_layer_counts_forward_and_backward_for_weights_and_inputs() -> None:
    first, second = 2 * 64 * 128, 2 * 128 * 10
    # The pixels need no gradient, so the first layer goes backward for its weights alone.
    assert flops(perceptron()) == first + second + first + 2 * second


def test_a_frozen_layer_that_leads_to_no_trained_one_counts_forward_alone() -> None:
    first, second = 2 * 64 * 128, 2 * 128 * 10
    # Of the second layer only the weights need a gradient.
    assert flops(perceptron(frozen=True)) == first + 2 * second


def test_code_that_looks_at_values_leaves_the_flops_unknown(make_workload: Any) -> None:
    class Looks(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if x.sum().item() > 0 else super().forward(-x)

    workload = make_workload(model=lambda: Looks(3, 1))
    data = workload.test_data()
    assert flops_per_example(workload, workload.model(), data) is None


def test_a_trainer_that_has_counted_trains_the_same_bits(make_workload: Any) -> None:
    workload = make_workload(
        model=lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    )
    trainer = Trainer(workload, "ann")
    base = model_state(workload.model())
    asked = Hyperparameters(epochs=1, batch_size=10, learning_rate=0.1)
    before = trainer.train(base, hyperparameters=asked, seed=1)
    # 2 * (3 * 4 + 4 * 1) forward; backward 3 * 4 for weights alone, 4 * 1 for weights and inputs.
    assert trainer.flops_per_example(asked) == 32 + 24 + 16
    after = trainer.train(base, hyperparameters=asked, seed=1)
    for name, delta in before.delta.items():
        assert torch.equal(after.delta[name], delta)


def test_frozen_parameters_that_a_site_does_not_hold_yet_are_counted(make_workload: Any) -> None:
    def model() -> nn.Module:
        first = nn.Linear(3, 4).requires_grad_(requires_grad=False)
        return nn.Sequential(first, nn.Linear(4, 1))

    trainer = Trainer(make_workload(model=model), "ann")
    # Forward 2 * 3 * 4 and 2 * 4 * 1; backward the weights of the second layer.
    assert trainer.flops_per_example(Hyperparameters()) == 24 + 8 + 8


@pytest.mark.parametrize("own", ["loop", "ditto"])
def test_the_flops_of_an_own_loop_and_of_ditto_are_unknown(make_workload: Any, own: str) -> None:
    def train(model: nn.Module, data: Any, context: Any) -> dict[str, float]:
        return {"loss": 1.0}

    workload = make_workload(**({"train": train} if own == "loop" else {}))
    asked = Hyperparameters(epochs=1, ditto=0.1 if own == "ditto" else None)
    assert Trainer(workload, "ann").flops_per_example(asked) is None


def test_a_batch_norm_that_cannot_train_on_one_example_does_not_stop_the_count() -> None:
    data = TensorDataset(torch.zeros(1, 64), torch.zeros(1, dtype=torch.long))
    model = nn.Sequential(nn.Linear(64, 10), nn.BatchNorm1d(10))
    assert flops_per_example(digits, model, data) is None
