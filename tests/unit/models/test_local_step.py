"""Steps of local training: how many, on which batches, and what is done to their gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort
from models.local_result import LocalResult
from models.training import Trainer
from models.update import model_state
from models.version import initial_version


def one_weight(start: float = 0.0) -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, start)
    return model


def distance(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half the mean square: its gradient is the mean distance."""
    return (outputs - targets).square().mean() / 2


def towards(*targets: float) -> TensorDataset:
    return TensorDataset(torch.ones(len(targets), 1), torch.tensor(targets).view(-1, 1))


def train(make_workload: Any, data: TensorDataset, seed: int = 1, **asked: Any) -> LocalResult:
    workload = make_workload(model=one_weight, train_data=lambda _: data, loss=distance)
    hyperparameters = Hyperparameters(**asked)
    return Trainer(workload, "a").train(
        model_state(one_weight()), hyperparameters=hyperparameters, seed=seed
    )


def moved(result: LocalResult) -> float:
    return float(result.delta["weight"])


@pytest.mark.parametrize(("steps", "left"), [(1, 0.9), (2, 0.9**2), (7, 0.9**7)])
def test_steps_take_the_place_of_epochs(make_workload: Any, steps: int, left: float) -> None:
    # every example wants the weight 1: a step moves it by a tenth of what is left
    result = train(make_workload, towards(*[1.0] * 5), steps=steps, batch_size=2)
    assert result.num_steps == steps
    assert result.num_examples == 5  # the last of five joins a batch, so an epoch has two steps
    assert moved(result) == pytest.approx(1 - left)


def test_steps_of_whole_epochs_are_those_epochs(make_workload: Any) -> None:
    data = towards(*map(float, range(8)))
    by_steps = train(make_workload, data, steps=12, batch_size=2)
    by_epochs = train(make_workload, data, epochs=3, batch_size=2)
    assert by_steps.num_steps == by_epochs.num_steps == 12
    assert torch.equal(by_steps.delta["weight"], by_epochs.delta["weight"])
    assert (by_steps.loss, by_steps.utility) == (by_epochs.loss, by_epochs.utility)


def test_accumulated_batches_are_one_large_batch(make_workload: Any) -> None:
    data = towards(*map(float, range(7)))
    few = train(make_workload, data, batch_size=2, accumulate=2, epochs=4)
    large = train(make_workload, data, batch_size=4, epochs=4)
    assert few.num_steps == large.num_steps == 8
    assert moved(few) == pytest.approx(moved(large), rel=1e-6)


def test_last_group_counts_its_own_examples_alone(make_workload: Any) -> None:
    # batches of 2, 2 and 3: the first step is a tenth, and so is the one of the last batch alone
    result = train(make_workload, towards(*[1.0] * 7), batch_size=2, accumulate=2)
    assert result.num_steps == 2
    assert moved(result) == pytest.approx(1 - 0.9**2)


def test_clipped_step_is_as_long_as_the_norm(make_workload: Any) -> None:
    long = train(make_workload, towards(100.0, 100.0), clip_norm=2.0, accumulate=2, batch_size=1)
    assert moved(long) == pytest.approx(0.1 * 2)  # the gradient of 100 becomes 2, once
    short = train(make_workload, towards(1.0, 1.0), clip_norm=2.0)
    assert moved(short) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "asked",
    [{"steps": 3}, {"steps": 11}, {"clip_norm": 0.05, "epochs": 2}, {"accumulate": 2, "epochs": 2}],
)
def test_all_clients_at_once_take_the_steps_of_each(
    make_workload: Any, asked: dict[str, Any]
) -> None:
    generator = torch.Generator().manual_seed(3)
    data = {}
    for count in (2, 9, 20):
        x = torch.randn(count, 3, generator=generator)
        data[f"c{count}"] = TensorDataset(x, x.sum(dim=1, keepdim=True))
    workload = make_workload(model=lambda: nn.Linear(3, 1), train_data=lambda client: data[client])
    base = initial_version(workload, 1)
    hyperparameters = Hyperparameters(batch_size=4, **asked)
    works = [ClientWork(client, seed=5, epochs=hyperparameters.epochs) for client in data]
    found = Cohort(workload, data, batched=True).train(base, works, hyperparameters=hyperparameters)
    for row, client in enumerate(data):
        alone = Trainer(workload, client).train(base, hyperparameters=hyperparameters, seed=5)
        assert found.num_steps[row] == alone.num_steps
        assert found.num_examples[row] == alone.num_examples
        assert found.loss[row] == pytest.approx(alone.loss, rel=1e-5)
        assert found.utility[row] == pytest.approx(alone.utility, rel=1e-5)
        for name, delta in alone.delta.items():
            torch.testing.assert_close(found.deltas[name][row], delta, rtol=1e-4, atol=1e-6)


def test_steps_and_epochs_together_are_refused() -> None:
    with pytest.raises(ValidationError, match="5 steps and 2 epochs both say how long"):
        Hyperparameters(steps=5, epochs=2)


def test_schedule_changes_the_rate_by_the_round_alone() -> None:
    asked = Hyperparameters(learning_rate=0.4, schedule="step:2:0.5")
    assert [asked.in_round(r).learning_rate for r in (1, 2, 3, 5)] == [0.4, 0.4, 0.2, 0.1]
    assert asked.in_round(3).in_round(3) == asked.in_round(3)
