"""Mixed precision: 16 bits where they do no harm, parameters in float32, overflows skipped."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort
from models.local_result import LocalResult
from models.training import Trainer
from models.update import State, model_state

MIXED = ("bf16", "fp16")


def one_weight() -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 0.0)
    return model


def towards(*targets: float) -> TensorDataset:
    return TensorDataset(torch.ones(len(targets), 1), torch.tensor(targets).view(-1, 1))


def distance(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half the mean square: its gradient is the mean distance."""
    return (outputs - targets).square().mean() / 2


def train(make_workload: Any, base: State | None = None, **parts: Any) -> LocalResult:
    asked = {name: parts.pop(name) for name in list(parts) if name in Hyperparameters.model_fields}
    workload = make_workload(**parts)
    torch.manual_seed(0)
    start = base if base is not None else model_state(workload.model())
    return Trainer(workload, "a").train(
        start, hyperparameters=Hyperparameters.model_validate(asked), seed=1, scores=True
    )


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_the_model_computes_in_the_precision_and_its_parameters_are_float32(
    make_workload: Any, precision: str, dtype: torch.dtype
) -> None:
    seen = []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(outputs.dtype)
        return nn.functional.mse_loss(outputs, targets)

    result = train(make_workload, loss=loss, precision=precision)
    assert set(seen) == {dtype}
    assert {delta.dtype for delta in result.delta.values()} == {torch.float32}


@pytest.mark.parametrize("precision", MIXED)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_mixed_precision_learns_what_float32_does(
    make_workload: Any, optimizer: str, precision: str
) -> None:
    asked: dict[str, Any] = {
        "optimizer": optimizer,
        "learning_rate": 0.02,
        "epochs": 4,
        "clip_norm": 1.0,
    }
    whole = train(make_workload, **asked)
    mixed = train(make_workload, **asked, precision=precision)
    assert mixed.num_steps == whole.num_steps
    moved = torch.cat([delta.flatten() for delta in whole.delta.values()])
    error = torch.cat([d.flatten() for d in mixed.delta.values()]) - moved
    assert 0 < error.norm() < 0.02 * moved.norm()


def test_a_step_that_bfloat16_could_not_hold_counts(make_workload: Any) -> None:
    # 1 + 0.003 is 1 in bfloat16; each step moves the weight by 0.001 * (4 - 1) = 0.003
    result = train(
        make_workload, {"weight": torch.ones(1, 1)}, model=one_weight,
        train_data=lambda _: towards(4.0), loss=distance, learning_rate=0.001, precision="bf16",
    )  # fmt: skip
    assert float(result.delta["weight"]) == pytest.approx(0.003, rel=1e-3)


def test_gradients_too_small_for_float16_are_scaled(make_workload: Any) -> None:
    # the gradient is 2**-26, below the least float16 of 2**-24; times 2**10 it is not
    result = train(
        make_workload, model=one_weight, train_data=lambda _: towards(0.0),
        loss=lambda outputs, _: outputs.mean() * 2.0**-26, learning_rate=2.0**20, precision="fp16",
    )  # fmt: skip
    assert float(result.delta["weight"]) == -(2.0**-6)


def overflowing_until(most: float) -> Any:
    """Return a loss whose scaled gradient overflows while the scale is above a bound."""

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        # float16 ends at 65504: with a gradient of 32768 / most a scale of up to most fits
        return (outputs.float() - targets).mean() * (32768.0 / most)

    return loss


@pytest.mark.parametrize(
    ("optimizer", "learning_rate"),
    [("sgd", 2.0**-7), ("adam", 1.0)],  # sgd: 2**-7 * 128; adam: the rate, as gradients are equal
)
def test_steps_that_overflow_are_skipped_and_not_counted(
    make_workload: Any, optimizer: str, learning_rate: float
) -> None:
    # scales of 1024 and 512 overflow float16, 256 does not: 2 of 5 steps are skipped
    result = train(
        make_workload, model=one_weight, train_data=lambda _: towards(*[1.0] * 5), batch_size=1,
        loss=overflowing_until(256.0), steps=5, optimizer=optimizer, learning_rate=learning_rate,
        precision="fp16",
    )  # fmt: skip
    assert result.num_steps == 3
    assert float(result.delta["weight"]) == pytest.approx(-3.0)


def test_every_assignment_begins_with_the_same_scale(make_workload: Any) -> None:
    workload = make_workload(
        model=one_weight, train_data=lambda _: towards(*[1.0] * 5), loss=overflowing_until(256.0)
    )
    trainer, base = Trainer(workload, "a"), model_state(one_weight())
    asked = Hyperparameters(steps=5, precision="fp16")
    first, second = (trainer.train(base, hyperparameters=asked, seed=1) for _ in range(2))
    assert first.num_steps == second.num_steps == 3
    assert torch.equal(first.delta["weight"], second.delta["weight"])


def test_training_in_which_everything_overflows_is_refused(make_workload: Any) -> None:
    with pytest.raises(WorkloadError, match=r"all 2 steps overflowed in fp16.*--precision bf16"):
        train(
            make_workload, model=one_weight, train_data=lambda _: towards(1.0),
            loss=overflowing_until(0.001), steps=2, precision="fp16",
        )  # fmt: skip


def test_gradients_are_clipped_and_drawn_back_after_the_scale_is_undone(make_workload: Any) -> None:
    asked: dict[str, Any] = {
        "model": one_weight, "train_data": lambda _: towards(4.0), "loss": distance,
        "steps": 2, "learning_rate": 0.25, "clip_norm": 1.0, "proximal_mu": 1.0,
    }  # fmt: skip
    # 1: gradient -4, clipped to -1: 0.25.  2: gradient -3.75 + 0.25, clipped to -1: 0.5
    for precision in ("fp32", "fp16"):
        result = train(make_workload, **asked, precision=precision)
        assert float(result.delta["weight"]) == pytest.approx(0.5, rel=1e-4)


def test_a_training_step_of_the_users_computes_in_the_precision(make_workload: Any) -> None:
    seen = []

    def training_step(model: nn.Module, batch: Any) -> Tensor:
        inputs, targets = batch
        outputs = model(inputs)
        seen.append(outputs.dtype)
        return nn.functional.mse_loss(outputs, targets)

    train(make_workload, training_step=training_step, precision="bf16")
    assert set(seen) == {torch.bfloat16}


@pytest.mark.parametrize("precision", MIXED)
def test_a_model_with_parameters_of_16_bits_is_refused(make_workload: Any, precision: str) -> None:
    with pytest.raises(WorkloadError, match=r"0\.weight is bfloat16.*float32 parameters"):
        train(
            make_workload, precision=precision,
            model=lambda: nn.Sequential(nn.Linear(3, 1, dtype=torch.bfloat16)),
        )  # fmt: skip


def test_the_pulled_model_is_scored_in_float32(make_workload: Any) -> None:
    seen = []

    def metrics(outputs: Tensor, _targets: Tensor) -> dict[str, float]:
        seen.append(outputs.dtype)
        return {}

    data = TensorDataset(torch.ones(4, 3), torch.ones(4, 1))
    train(
        make_workload, precision="bf16", metrics=metrics, test_data=lambda: None,
        held_out_data=lambda _: data,
    )  # fmt: skip
    assert seen == [torch.float32]


@pytest.mark.parametrize("precision", MIXED)
def test_a_simulation_trains_to_the_bits_of_the_site(make_workload: Any, precision: str) -> None:
    workload = make_workload()
    data = {name: workload.train_data(name) for name in ("a", "b")}
    base = model_state(workload.model())
    asked = Hyperparameters.model_validate({"precision": precision, "epochs": 2})
    works = [ClientWork(client, seed=3, epochs=2) for client in data]
    updates = Cohort(workload, data).train(base, works, hyperparameters=asked)
    alone = Trainer(workload, "a").train(copy.deepcopy(base), hyperparameters=asked, seed=3)
    for name, delta in alone.delta.items():
        assert torch.equal(updates.deltas[name][0], delta), name
    assert list(updates.num_steps) == [alone.num_steps] * 2
