from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from common.errors import UpdateError, WorkloadError
from common.hyperparameters import Hyperparameters
from models.evaluation import evaluate
from models.local_result import LocalResult
from models.training import Trainer, warm_up
from models.update import State, model_state
from models.version import initial_version
from tests.known import known

ADAM = Hyperparameters(epochs=2, optimizer="adam", learning_rate=0.01)


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def constant_one() -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    return model


class Slow(Dataset[Any]):
    """A data set that is no TensorDataset."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full((3,), float(index)), torch.ones(1)


class Moody(nn.Module):
    """Draws at random and keeps buffers, one of them no part of the state."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.norm = nn.BatchNorm1d(1)
        self.calls: torch.Tensor
        self.register_buffer("calls", torch.rand(1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.add_(1)
        noise = random.random() + np.random.rand() + torch.rand(1)  # noqa: NPY002 - the legacy one
        return torch.add(self.norm(self.layer(x)) * self.calls, noise)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_warm_training_equals_cold_bit_for_bit(make_workload: Any, optimizer: str) -> None:
    workload = make_workload(model=Moody)
    base = initial_version(workload, 1)
    asked = Hyperparameters(epochs=2, optimizer=optimizer, learning_rate=0.01)
    warm = Trainer(workload, "a")
    warm.train(base, hyperparameters=ADAM, seed=99)
    again = warm.train(base, hyperparameters=asked, seed=7)
    torch.rand(5)
    cold = Trainer(workload, "a").train(base, hyperparameters=asked, seed=7)
    assert same(again.delta, cold.delta)
    assert (again.loss, again.utility) == (cold.loss, cold.utility)


def test_seed_changes_the_result(make_workload: Any) -> None:
    trainer = Trainer(make_workload(), "a")
    base = initial_version(make_workload(), 1)
    one, other = (trainer.train(base, hyperparameters=ADAM, seed=seed) for seed in (1, 2))
    assert not same(one.delta, other.delta)


def test_training_learns_and_leaves_the_base_alone(make_workload: Any) -> None:
    workload = make_workload(model=lambda: nn.Linear(3, 1))
    base = initial_version(workload, 1)
    kept = {name: tensor.clone() for name, tensor in base.items()}
    result = Trainer(workload, "a").train(base, hyperparameters=Hyperparameters(epochs=30), seed=1)
    assert result.num_examples == 70
    assert result.loss < 0.01
    assert same(base, kept)
    trained = {name: base[name] + result.delta[name] for name in base}
    found = evaluate(workload, workload.model(), trained, workload.test_data())
    assert known(found)["mae"] < 0.1


def test_loss_and_utility_are_what_hand_computes(make_workload: Any) -> None:
    # the model stays at x -> x, so losses are the squared inputs: batches {1, 1} and {1}, each 1
    x = torch.ones(3, 1)
    workload = make_workload(
        model=constant_one, train_data=lambda _: TensorDataset(x, torch.zeros(3, 1))
    )
    asked = Hyperparameters(batch_size=2, learning_rate=1e-30)
    result = Trainer(workload, "a").train(
        model_state(constant_one()), hyperparameters=asked, seed=0
    )
    assert result.loss == pytest.approx(1.0)
    assert result.utility == pytest.approx(3 * math.sqrt((1 + 1) / 2))


def test_any_map_style_data_set_trains(make_workload: Any) -> None:
    workload = make_workload(train_data=lambda _: Slow())
    base = initial_version(workload, 1)
    one, again = (
        Trainer(workload, "a").train(base, hyperparameters=ADAM, seed=3) for _ in range(2)
    )
    assert one.num_examples == 7
    assert same(one.delta, again.delta)


def test_own_training_step_and_optimizer_are_used(make_workload: Any) -> None:
    def optimizer(parameters: Any, hyperparameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=hyperparameters.learning_rate * 0)

    workload = make_workload(
        training_step=lambda model, batch: model(batch[0]).sum() * 0 + 42, optimizer=optimizer
    )
    result = Trainer(workload, "a").train(
        initial_version(workload, 1), hyperparameters=Hyperparameters(), seed=0
    )
    assert result.loss == 42
    assert not any(tensor.any() for tensor in result.delta.values())


def test_every_epoch_is_announced(make_workload: Any) -> None:
    calls = []
    Trainer(make_workload(), "a").train(
        initial_version(make_workload(), 1),
        hyperparameters=ADAM,
        seed=0,
        on_epoch=lambda *call: calls.append(call[:2]),
    )
    assert calls == [(1, 2), (2, 2)]


def test_error_of_the_callback_stays_the_callers(make_workload: Any) -> None:
    def stop(_epoch: int, _epochs: int, _loss: float) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        Trainer(make_workload(), "a").train(
            initial_version(make_workload(), 1), hyperparameters=ADAM, seed=0, on_epoch=stop
        )


def test_a_client_scores_the_pulled_model_if_its_run_asks_for_it(make_workload: Any) -> None:
    held_out = TensorDataset(torch.full((4, 1), 3.0), torch.ones(4, 1))
    train = TensorDataset(torch.ones(5, 1), torch.zeros(5, 1))
    workload = make_workload(
        model=constant_one,
        train_data=lambda _: train,
        held_out_data=lambda _: held_out,
    )
    base = model_state(constant_one())
    result = Trainer(workload, "a").train(
        base, hyperparameters=Hyperparameters(), seed=0, scores=True
    )
    assert result.metrics == {"loss": 4.0, "mae": 2.0}
    assert result.num_held_out == 4


def test_held_out_data_are_not_even_loaded_if_the_run_does_not_ask(make_workload: Any) -> None:
    def broken(_: str) -> Dataset[Any]:
        raise OSError

    workload = make_workload(held_out_data=broken)
    result = Trainer(workload, "a").train(
        initial_version(workload, 1), hyperparameters=Hyperparameters(), seed=0
    )
    assert (result.metrics, result.num_held_out) == ({}, 0)


@pytest.mark.parametrize("factor", [math.nan, math.inf, 1e200])
def test_diverged_training_is_reported_not_raised(make_workload: Any, factor: float) -> None:
    workload = make_workload(
        model=lambda: nn.Linear(3, 1, dtype=torch.float64),
        training_step=lambda model, batch: model(batch[0].double()).sum() * 0 + factor,
    )
    result: LocalResult = Trainer(workload, "a").train(
        initial_version(workload, 1), hyperparameters=Hyperparameters(), seed=0
    )
    assert not math.isfinite(result.utility)


def test_frozen_parameters_do_not_move(make_workload: Any) -> None:
    def frozen() -> nn.Module:
        model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
        model[0].requires_grad_(requires_grad=False)
        return model

    workload = make_workload(model=frozen)
    base = initial_version(workload, 1)
    result = Trainer(workload, "a").train(base, hyperparameters=ADAM, seed=0)
    assert result.delta.keys() == {"1.weight", "1.bias"}


def test_workload_that_raises_is_named_with_its_error(make_workload: Any) -> None:
    def broken(*_args: object) -> torch.Tensor:
        msg = "no such\n  file"
        raise OSError(msg)

    with pytest.raises(WorkloadError, match="raised OSError: no such file; the assignment failed"):
        Trainer(make_workload(train_data=broken), "a")
    base = initial_version(make_workload(), 1)
    with pytest.raises(WorkloadError, match="the assignment failed; correct") as caught:
        Trainer(make_workload(loss=broken), "a").train(base, hyperparameters=ADAM, seed=0)
    assert isinstance(caught.value.__cause__, OSError)
    workload = make_workload(metrics=broken)
    with pytest.raises(WorkloadError, match="the evaluation failed"):
        evaluate(workload, workload.model(), base, workload.test_data())


def test_another_models_base_is_refused(make_workload: Any) -> None:
    with pytest.raises(UpdateError, match="another model"):
        Trainer(make_workload(), "a").train({}, hyperparameters=ADAM, seed=0)


def test_empty_data_is_refused(make_workload: Any) -> None:
    empty = TensorDataset(torch.zeros(0, 3), torch.zeros(0, 1))
    with pytest.raises(WorkloadError, match="empty or has no length"):
        Trainer(make_workload(train_data=lambda _: empty), "a")


def test_evaluation_takes_whole_set_whatever_its_batches(make_workload: Any) -> None:
    x = torch.arange(600.0).unsqueeze(1)
    workload = make_workload(model=constant_one)
    figures = evaluate(
        workload, constant_one(), model_state(constant_one()), TensorDataset(x, x + 1)
    )
    assert figures == {"loss": 1.0, "mae": 1.0}


def test_warming_up_fixes_the_thread_count() -> None:
    before = torch.get_num_threads()
    try:
        warm_up(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
