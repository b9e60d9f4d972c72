"""A second training or evaluation gives the bits of the first, whatever model and data keep."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Subset, TensorDataset

from common.errors import UpdateError, WorkloadError
from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort
from models.evaluation import evaluate
from models.model_factory import ModelFactory
from models.training import Trainer
from models.version import initial_version

ASKED = Hyperparameters(epochs=2, batch_size=8, learning_rate=0.05)


class Net(nn.Module):
    """One layer, whose output each kind of memory changes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def factor(self, x: Tensor) -> Tensor:
        return torch.ones(len(x), 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.factor(x)  # type: ignore[no-any-return]


class Counter(Net):
    calls = 0

    def factor(self, x: Tensor) -> Tensor:
        self.calls += 1
        return torch.full((len(x), 1), 1 / self.calls)


class Rotary(Net):
    """A zero buffer that is filled at the first use, and a plain counter that says so."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.cache: Tensor
        self.register_buffer("cache", torch.zeros(100, 1), persistent=False)

    def factor(self, x: Tensor) -> Tensor:
        if len(x) > self.seen:
            self.cache.copy_(torch.linspace(1, 2, 100).unsqueeze(1))
            self.seen = len(x)
        return self.cache[: len(x)]


class Growing(Net):
    """A buffer that `forward` registers again, longer."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: Tensor
        self.register_buffer("cache", torch.zeros(1, 1), persistent=False)

    def factor(self, x: Tensor) -> Tensor:
        self.register_buffer("cache", torch.ones(len(self.cache) + 1, 1), persistent=False)
        return torch.full((len(x), 1), float(len(self.cache)))


class Lazy(Net):
    """A module that is built at the first use, in the state from then on."""

    def __init__(self) -> None:
        super().__init__()
        self.late: nn.Module | None = None

    def factor(self, x: Tensor) -> Tensor:
        if self.late is None:
            self.late = nn.Linear(3, 1)
        else:
            with torch.no_grad():
                next(self.late.parameters()).mul_(1.1)
        return self.late(x)  # type: ignore[no-any-return]


class OwnGenerators(Net):
    def __init__(self) -> None:
        super().__init__()
        self.torch = torch.Generator().manual_seed(1)
        self.numpy = np.random.default_rng(1)

    def factor(self, x: Tensor) -> Tensor:
        return torch.rand(len(x), 1, generator=self.torch) + self.numpy.random()


class Hooked(Net):
    """A hook that is a closure of the model, and one that takes itself away."""

    def __init__(self) -> None:
        super().__init__()
        seen: list[int] = []
        self.layer.register_forward_hook(lambda _module, inputs, _: seen.append(len(inputs[0])))
        self.seen = seen
        self.once: Any = self.layer.register_forward_pre_hook(lambda *_: self.once.remove())

    def factor(self, x: Tensor) -> Tensor:
        return torch.full((len(x), 1), float(len(self.seen) + len(self.layer._forward_pre_hooks)))


class Thawing(Net):
    """Unfreezes itself, and remembers a moving average of its weights as an optimizer does."""

    def __init__(self) -> None:
        super().__init__()
        self.average = torch.zeros(1, 3)

    def factor(self, x: Tensor) -> Tensor:
        self.average = 0.9 * self.average + 0.1 * self.layer.weight.detach()
        self.layer.bias.requires_grad_(not self.layer.bias.requires_grad)
        return x @ self.average.T


class InPlace(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.mul_(2).add_(1))  # type: ignore[no-any-return]


class OldWeightNorm(Net):
    """Keeps a tensor with a gradient, which cannot be deep-copied."""

    def __init__(self) -> None:
        super().__init__()
        self.last = self.layer.weight * 2

    def factor(self, x: Tensor) -> Tensor:
        used, self.last = self.last.detach(), self.layer.weight * 1
        return x @ used.T


SHARED = Counter()
_made: list[nn.Module] = []


def same_again() -> nn.Module:
    """Return the same model at every call."""
    if not _made:
        _made.append(Rotary())
    return _made[0]


def around_a_backbone() -> nn.Module:
    """Return a new head on a backbone of the module."""
    return nn.Sequential(SHARED, nn.Linear(1, 1))


KINDS = [
    Net, Counter, Rotary, Growing, Lazy, OwnGenerators, Hooked, Thawing, InPlace, OldWeightNorm,
    same_again, around_a_backbone,
]  # fmt: skip


@pytest.mark.parametrize("model", KINDS)
def test_second_training_equals_the_first(make_workload: Any, model: Any) -> None:
    workload = make_workload(model=model)
    base = initial_version(workload, 1)
    trainer = Trainer(workload, "a")
    first, second = (trainer.train(base, hyperparameters=ASKED, seed=7) for _ in range(2))
    cold = Trainer(workload, "a").train(base, hyperparameters=ASKED, seed=7)
    for other in (second, cold):
        assert (first.loss, first.utility) == (other.loss, other.utility)
        assert all(torch.equal(first.delta[name], other.delta[name]) for name in first.delta)
    assert any(tensor.any() for tensor in first.delta.values())


@pytest.mark.parametrize("model", KINDS)
def test_evaluating_before_changes_neither_training_nor_evaluation(
    make_workload: Any, model: Any
) -> None:
    x = torch.linspace(-1, 1, 90).view(30, 3)
    held_out = TensorDataset(x, x.sum(dim=1, keepdim=True))
    workload = make_workload(model=model, test_data=lambda: None, held_out_data=lambda _: held_out)
    base = initial_version(workload, 1)
    cold = Trainer(workload, "a").train(base, hyperparameters=ASKED, seed=7, scores=True)
    warm = Trainer(workload, "a")
    assert warm.score(base) == warm.score(base) == (cold.metrics, 30)
    again = warm.train(base, hyperparameters=ASKED, seed=7, scores=True)
    assert (again.metrics, again.loss) == (cold.metrics, cold.loss)
    assert all(torch.equal(again.delta[name], cold.delta[name]) for name in cold.delta)


@pytest.mark.parametrize("model", KINDS)
def test_cohort_of_a_simulation_trains_twice_alike(make_workload: Any, model: Any) -> None:
    workload = make_workload(model=model)
    data = {client: workload.train_data(client) for client in ("a", "b", "c")}
    works = [ClientWork(client, seed=3, epochs=2) for client in data]
    base = initial_version(workload, 1)
    cohort = Cohort(workload, data)
    one, other = (cohort.train(base, works, hyperparameters=ASKED) for _ in range(2))
    for updates in (one, other):
        alone = Trainer(workload, "a").train(base, hyperparameters=ASKED, seed=3)
        assert updates.loss == pytest.approx([alone.loss] * 3, rel=1e-4), cohort.reason
    assert one.loss.tolist() == other.loss.tolist()
    assert all(torch.equal(one.deltas[name], other.deltas[name]) for name in one.deltas)


def test_dropout_in_evaluation_is_drawn_alike(make_workload: Any) -> None:
    class Sampled(Net):
        def factor(self, x: Tensor) -> Tensor:
            return torch.rand(len(x), 1)

    workload = make_workload(model=Sampled)
    state, models = initial_version(workload, 1), ModelFactory(workload)
    one, other = (evaluate(workload, models.new(), state, workload.test_data()) for _ in range(2))
    assert one == other


class Augmented(Dataset[Any]):
    """Draws from generators of its own, counts, and remembers; holds a tensor and an array."""

    def __init__(self) -> None:
        self.x, self.y = torch.ones(12, 3), np.ones((12, 1), dtype=np.float32)
        self.generator = torch.Generator().manual_seed(2)
        self.numpy = np.random.default_rng(2)
        self.count = 0
        self.noise = [0.0]

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        self.count += 1
        self.noise.append(self.noise[-1] + self.numpy.random())
        factor = self.count * torch.rand(1, generator=self.generator) / len(self.noise)
        return self.x[index] * factor, self.y[index]


@pytest.mark.parametrize("wrapped", [False, True])
def test_data_set_starts_anew_with_every_use(make_workload: Any, wrapped: bool) -> None:  # noqa: FBT001 - pytest's
    data: Dataset[Any] = Augmented()
    if wrapped:
        data = Subset(data, list(range(12)))
    workload = make_workload(
        model=Net,
        train_data=lambda _: data,
        test_data=lambda: None,
        held_out_data=lambda _: data,
    )
    base = initial_version(workload, 1)
    trainer = Trainer(workload, "a")
    first, second = (trainer.train(base, hyperparameters=ASKED, seed=7) for _ in range(2))
    assert (first.loss, first.metrics) == (second.loss, second.metrics)
    assert all(torch.equal(first.delta[name], second.delta[name]) for name in first.delta)


def test_examples_themselves_are_not_copied(make_workload: Any) -> None:
    held: list[Any] = []

    class Watched(Augmented):
        def __getitem__(self, index: int) -> tuple[Tensor, Any]:
            held.append((self.x.data_ptr(), self.y.ctypes.data))
            return super().__getitem__(index)

    data = Watched()
    workload = make_workload(model=Net, train_data=lambda _: data)
    Trainer(workload, "a").train(initial_version(workload, 1), hyperparameters=ASKED, seed=7)
    assert set(held) == {(data.x.data_ptr(), data.y.ctypes.data)}
    assert data.count == 0


def test_data_set_that_cannot_be_copied_trains(make_workload: Any) -> None:
    class Open(Augmented):
        def __init__(self) -> None:
            super().__init__()
            self.lock = Lock()  # cannot be copied

    workload = make_workload(model=Net, train_data=lambda _: Open())
    base = initial_version(workload, 1)
    assert Trainer(workload, "a").train(base, hyperparameters=ASKED, seed=7).num_examples == 12


def test_model_that_is_always_the_same_and_cannot_be_copied_is_named(make_workload: Any) -> None:
    only = OldWeightNorm()
    with pytest.raises(WorkloadError, match=r"the copy of the module that model\(\) returns"):
        Trainer(make_workload(model=lambda: only), "a")


def test_state_that_training_reshapes_is_named(make_workload: Any) -> None:
    class Swelling(Net):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kept", torch.zeros(1))

        def factor(self, x: Tensor) -> Tensor:
            self.register_buffer("kept", torch.zeros(len(x)))
            return torch.ones(len(x), 1)

    workload = make_workload(model=Swelling)
    with pytest.raises(UpdateError, match=r"the model has shape \[\d\], not \[1\], in kept"):
        Trainer(workload, "a").train(initial_version(workload, 1), hyperparameters=ASKED, seed=7)
