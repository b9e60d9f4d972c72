"""Private training: what it changes, what it refuses, and that nothing but its arguments count."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.local_result import LocalResult
from models.privacy.secret_bits import secret_of_seed
from models.training import Trainer
from models.update import model_state

pytest.importorskip("opacus")

SECRET = secret_of_seed(1)
ASKED = Hyperparameters(privacy="record", batch_size=16, epochs=2, noise_multiplier=1.0)


def _data(num_examples: int = 64, *, spoilt: bool = False) -> TensorDataset:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(num_examples, 4, generator=generator)
    if spoilt:
        inputs[5] = float("inf")
    return TensorDataset(inputs, (inputs[:, 0] > 0).long())


def _small() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def _workload(model: Callable[[], nn.Module] = _small, **more: Any) -> Any:
    return SimpleNamespace(
        **{"__name__": "own", "model": model, "loss": cross_entropy, "metrics": None, **more}
    )


def _delta(
    trainer: Trainer, asked: Hyperparameters = ASKED, secret: bytes | None = SECRET
) -> LocalResult:
    torch.manual_seed(0)
    base = model_state(trainer.models.new())
    return trainer.train(base, hyperparameters=asked, seed=1, secret=secret)


def test_one_secret_gives_the_same_bits_and_another_gives_others() -> None:
    trainer = Trainer.of(_workload(), _data())
    first, again, other = (_delta(trainer, secret=s) for s in (SECRET, SECRET, secret_of_seed(2)))
    assert all(torch.equal(first.delta[n], again.delta[n]) for n in first.delta)
    assert not any(torch.equal(first.delta[n], other.delta[n]) for n in first.delta)
    assert first.num_steps == 8


def test_with_little_noise_and_wide_bounds_it_learns_what_plain_training_learns() -> None:
    trainer = Trainer.of(_workload(), _data())
    asked = ASKED.model_copy(update={"epochs": 30, "noise_multiplier": 0.3, "learning_rate": 1.0})
    assert _delta(trainer, asked).loss < 0.35


def test_one_record_moves_the_sum_of_a_step_by_no_more_than_the_bound() -> None:
    """Two data sets that differ in one record, the same coins and noise, one step of SGD."""
    data = _data()
    other = TensorDataset(data.tensors[0].clone(), data.tensors[1])
    other.tensors[0][7] = 1e4
    asked = ASKED.model_copy(update={"batch_size": 64, "epochs": 1, "learning_rate": 1.0})
    deltas = [_delta(Trainer.of(_workload(), each), asked).delta for each in (data, other)]
    difference = sum(float((deltas[0][n] - deltas[1][n]).square().sum()) for n in deltas[0])
    assert 0 < difference**0.5 * 64 <= 2.0 + 1e-3  # one clipped gradient for another


def test_a_record_that_overflows_counts_as_nothing() -> None:
    delta = _delta(Trainer.of(_workload(), _data(spoilt=True))).delta
    assert all(tensor.isfinite().all() for tensor in delta.values())


def test_an_empty_sample_still_adds_noise() -> None:
    asked = ASKED.model_copy(update={"batch_size": 1, "steps": 1, "epochs": 1})
    trainer = Trainer.of(_workload(), _data(4000))
    moved = [_delta(trainer, asked, secret_of_seed(n)).delta for n in range(3)]
    assert all(tensor.abs().max() > 0 for delta in moved for tensor in delta.values())


class _Mixes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layer(inputs - inputs.mean(0))
        return result


class _Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.largest: torch.Tensor
        self.register_buffer("largest", torch.zeros(1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.largest += inputs.detach().max()
        result: torch.Tensor = self.layer(inputs)
        return result


class _Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(self.first(inputs))
        return result


@pytest.mark.parametrize(
    ("workload", "part"),
    [
        (_workload(lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))), "GroupNorm"),
        (_workload(_Mixes), "depends on the others of its batch"),
        (_workload(_Remembers), "the buffer largest"),
        (_workload(_Tied), "share first.weight"),
        (_workload(lambda: nn.Linear(4, 4), training_step=lambda m, b: None), "training_step"),
    ],
)
def test_what_mixes_or_hides_records_is_refused(workload: Any, part: str) -> None:
    with pytest.raises(WorkloadError, match=part):
        _delta(Trainer.of(workload, _data()))


def test_nothing_is_trained_without_a_secret() -> None:
    with pytest.raises(WorkloadError, match="needs a secret"):
        _delta(Trainer.of(_workload(), _data()), secret=None)
