from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import Subset, TensorDataset

from common.errors import UpdateError, WorkloadError
from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort, Updates, arrangement
from models.batched.arrangement import count_turns
from models.training import Trainer
from models.update import State
from models.version import initial_version

SIZES = (70, 33, 32, 31, 5, 1)
"""Full batches and remainders of every kind at a batch size of 16 or 32."""

DATA_SEED = 3


def examples(size: int, seed: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 3, generator=generator)
    return TensorDataset(x, x.sum(dim=1, keepdim=True) + 0.1)


def images(size: int, seed: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    return TensorDataset(
        torch.randn(size, 1, 8, 8, generator=generator),
        torch.randint(0, 3, (size,), generator=generator),
    )


def of_sizes(*sizes: int, draw: Callable[[int, int], TensorDataset] = examples) -> dict[str, Any]:
    return {f"c{i}": draw(size, DATA_SEED + i) for i, size in enumerate(sizes)}


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(4 * 16, 3),
    )  # fmt: skip


class Shares(nn.Module):
    """Tied weights, a frozen parameter, one that is never used, and buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 3, bias=False)
        self.decoder = nn.Linear(3, 3)
        self.decoder.weight = self.encoder.weight
        self.frozen = nn.Parameter(torch.full((3,), 0.5), requires_grad=False)
        self.unused = nn.Parameter(torch.ones(2))
        self.offset: Tensor
        self.register_buffer("offset", torch.full((3,), 0.25))
        self.register_buffer("steps", torch.tensor(4))

    def forward(self, x: Tensor) -> Tensor:
        decoded = self.decoder(torch.tanh(self.encoder(x))) * self.frozen + self.offset
        return torch.sum(decoded, dim=1, keepdim=True)


def workload(**parts: Any) -> Any:
    own = {
        "model": small,
        "test_data": lambda: None,
        "train_data": lambda _: None,
        "loss": nn.functional.mse_loss,
        "metrics": lambda outputs, targets: {"mae": (outputs - targets).abs().mean().item()},
    }
    return SimpleNamespace(**(own | parts))


def works(data: dict[str, Any], *epochs: float) -> list[ClientWork]:
    return [ClientWork(c, seed=10 + i, epochs=epochs[i % len(epochs)]) for i, c in enumerate(data)]


def assert_as_trainers(
    made: Any, data: dict[str, Any], asked: list[ClientWork], hyperparameters: Hyperparameters
) -> None:
    """The tolerance of the package's docstring, and a few float32 roundings of the losses."""
    base = initial_version(made, 1)
    cohort = Cohort(made, data, batched=True)
    updates = cohort.train(base, asked, hyperparameters=hyperparameters)
    norms = updates.norms()
    for row, work in enumerate(asked):
        own = hyperparameters.with_epochs(work.epochs)
        alone = Trainer.of(made, data[work.client]).train(base, hyperparameters=own, seed=work.seed)
        assert updates.deltas.keys() == alone.delta.keys()
        off = sum(
            (updates.deltas[name][row] - delta).double().square().sum().item()
            for name, delta in alone.delta.items()
        )
        assert math.sqrt(off) <= 1e-5 * norms[row] + 1e-7
        assert updates.num_steps[row] == alone.num_steps
        assert updates.num_examples[row] == alone.num_examples
        assert updates.loss[row] == pytest.approx(alone.loss, rel=1e-5)
        assert updates.utility[row] == pytest.approx(alone.utility, rel=1e-5)


def same(one: Updates, other: Updates) -> bool:
    return (
        one.clients == other.clients
        and all(torch.equal(one.deltas[name], other.deltas[name]) for name in one.deltas)
        and all(
            np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
            for name in ("num_examples", "loss", "utility", "num_held_out")
        )
    )


@pytest.mark.parametrize(
    "hyperparameters",
    [
        Hyperparameters(),
        Hyperparameters(momentum=0.9, weight_decay=0.01, batch_size=16),
        Hyperparameters(optimizer="adam", learning_rate=0.01, batch_size=16),
        Hyperparameters(optimizer="adamw", learning_rate=0.01, weight_decay=0.1),
    ],
    ids=["sgd", "momentum and decay", "adam", "adamw"],
)
def test_all_at_once_train_as_each_alone(hyperparameters: Hyperparameters) -> None:
    data = of_sizes(*SIZES)
    assert_as_trainers(workload(), data, works(data, 2), hyperparameters)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_clients_of_one_round_may_train_for_different_epochs(optimizer: str) -> None:
    data = of_sizes(*SIZES)
    asked = Hyperparameters(
        optimizer=optimizer, learning_rate=0.01, momentum=0.9, weight_decay=0.1, batch_size=16
    )
    assert_as_trainers(workload(), data, works(data, 1, 4, 2), asked)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [16, 32])
def test_clients_of_one_round_may_train_for_parts_of_epochs(
    batch_size: int,
    drop_last: bool,  # noqa: FBT001
) -> None:
    data = of_sizes(*SIZES)
    asked = Hyperparameters(momentum=0.9, batch_size=batch_size, drop_last=drop_last, epochs=3)
    for epochs in (0.93, 2.5, 0.01):
        assert_as_trainers(workload(), data, works(data, 3, epochs, 1.25), asked)


def test_parts_of_a_run_by_steps_are_parts_of_its_steps() -> None:
    data = of_sizes(*SIZES)
    asked = Hyperparameters(steps=7, batch_size=16)
    assert_as_trainers(workload(), data, works(data, 1, 0.5, 0.01), asked)
    updates = Cohort(workload(), data).train(
        initial_version(workload(), 1), works(data, 1, 0.5, 0.01), hyperparameters=asked
    )
    assert updates.num_steps.tolist() == [7, 4, 1, 7, 4, 1]


def test_convolutions_can_be_batched() -> None:
    data = of_sizes(21, 8, 3, draw=images)
    made = workload(model=convolutional, loss=nn.functional.cross_entropy)
    assert_as_trainers(made, data, works(data, 1, 2), Hyperparameters(batch_size=8))


def test_tied_frozen_and_unused_parameters_are_treated_as_alone() -> None:
    data = of_sizes(20, 7)
    asked = Hyperparameters(weight_decay=0.1, learning_rate=0.01)
    assert_as_trainers(workload(model=Shares), data, works(data, 3), asked)


def test_outputs_without_a_second_dimension_train() -> None:
    def draw(size: int, seed: int) -> TensorDataset:
        inputs, targets = examples(size, seed).tensors
        return TensorDataset(inputs, (targets > 0).float().flatten())

    data = of_sizes(20, 7, draw=draw)
    made = workload(
        model=lambda: nn.Sequential(nn.Linear(3, 1), nn.Flatten(start_dim=0)),
        loss=nn.functional.binary_cross_entropy_with_logits,
    )
    assert_as_trainers(made, data, works(data, 2), Hyperparameters())


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(1, 3) | st.floats(0.01, 3)),
        min_size=1, max_size=6,
    ),
    st.integers(1, 20),
)  # fmt: skip
def test_any_sizes_epochs_and_batches_agree(
    parts: list[tuple[int, float]], batch_size: int
) -> None:
    data = of_sizes(*(size for size, _ in parts))
    asked = works(data, *(epochs for _, epochs in parts))
    assert_as_trainers(workload(), data, asked, Hyperparameters(batch_size=batch_size))


def test_clients_that_do_not_fit_in_memory_together_train_in_several_stacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrangement, "_STACK_VALUES", 50)  # of a model of 21: two clients a stack
    data = of_sizes(*SIZES)
    assert_as_trainers(workload(), data, works(data, 2, 1), Hyperparameters(batch_size=16))


@pytest.mark.parametrize("batched", [True, False])
def test_order_of_works_changes_no_bit_and_a_call_repeats(batched: bool) -> None:  # noqa: FBT001
    data = of_sizes(*SIZES)
    cohort = Cohort(workload(), data, batched=batched)
    base = initial_version(workload(), 1)
    asked = works(data, 1, 3)
    hyperparameters = Hyperparameters(optimizer="adam", learning_rate=0.01)
    first = cohort.train(base, asked, hyperparameters=hyperparameters)
    cohort.train(base, asked[:2], hyperparameters=Hyperparameters(momentum=0.5))
    assert same(first, cohort.train(base, asked, hyperparameters=hyperparameters))
    back = cohort.train(base, asked[::-1], hyperparameters=hyperparameters)
    assert back.clients == first.clients[::-1]
    assert all(torch.equal(back.deltas[n].flip(0), first.deltas[n]) for n in first.deltas)
    assert np.array_equal(back.loss[::-1], first.loss)


def test_plain_loop_has_the_bits_of_the_trainer() -> None:
    data = of_sizes(9, 4)
    base = initial_version(workload(), 1)
    asked = works(data, 2)
    updates = Cohort(workload(), data, batched=False).train(
        base, asked, hyperparameters=Hyperparameters()
    )
    for row, work in enumerate(asked):
        alone = Trainer.of(workload(), data[work.client]).train(
            base, hyperparameters=Hyperparameters(epochs=2), seed=work.seed
        )
        assert all(torch.equal(updates.deltas[n][row], alone.delta[n]) for n in alone.delta)
        assert (updates.loss[row], updates.utility[row]) == (alone.loss, alone.utility)


@pytest.mark.parametrize("batched", [True, False])
def test_diverged_client_is_nan_and_spoils_nobody_else(batched: bool) -> None:  # noqa: FBT001
    data = of_sizes(20, 20)
    spoilt = data | {"c2": TensorDataset(torch.full((20, 3), 1e30), torch.zeros(20, 1))}
    base = initial_version(workload(model=lambda: nn.Linear(3, 1)), 1)
    made = workload(model=lambda: nn.Linear(3, 1))
    asked = works(spoilt, 3)
    updates = Cohort(made, spoilt, batched=batched).train(
        base, asked, hyperparameters=Hyperparameters(batch_size=10)
    )
    assert np.isnan(updates.loss).tolist() == [False, False, True]
    assert np.isnan(updates.utility).tolist() == [False, False, True]
    assert np.isfinite(updates.norms()).tolist() == [True, True, False]
    alone = Cohort(made, data, batched=batched).train(
        base, asked[:2], hyperparameters=Hyperparameters(batch_size=10)
    )
    assert updates.loss[:2] == pytest.approx(alone.loss, rel=1e-6)


def test_norm_is_what_hand_computes() -> None:
    updates = Updates(
        clients=("a", "b"),
        deltas={
            "w": torch.tensor([[[1.0, 2.0]], [[0.0, 3.0]]]),
            "b": torch.tensor([2.0, 4.0], dtype=torch.bfloat16),
        },
        num_examples=np.array([1, 1]),
        num_steps=np.array([1, 1]),
        loss=np.zeros(2),
        utility=np.zeros(2),
        metrics=({}, {}),
        num_held_out=np.array([0, 0]),
        memories=({}, {}),
    )
    # sqrt(1 + 4 + 4) = 3 and sqrt(0 + 9 + 16) = 5
    assert updates.norms().tolist() == [3.0, 5.0]


@pytest.mark.parametrize("batched", [True, False])
def test_each_client_scores_the_base_on_its_own_held_out_data(batched: bool) -> None:  # noqa: FBT001
    data, held_out = of_sizes(9, 4), {"c1": examples(6, 77)}
    base = initial_version(workload(), 1)
    updates = Cohort(workload(), data, held_out=held_out, batched=batched).train(
        base, works(data, 1), hyperparameters=Hyperparameters()
    )
    alone = Trainer.of(workload(), data["c1"], held_out["c1"]).train(
        base, hyperparameters=Hyperparameters(), seed=0, scores=True
    )
    assert updates.metrics == ({}, alone.metrics)
    assert updates.num_held_out.tolist() == [0, 6]


class Couples(nn.Module):
    """Mixes the examples of a batch, in a way no type tells."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.layer(x)
        return torch.sub(outputs, outputs.mean(dim=0))


class Counts(nn.Module):
    """Keeps a buffer that training changes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        return torch.mul(self.layer(x), 1.0)


def with_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1))


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.2))


def branching(outputs: Tensor, targets: Tensor) -> Tensor:
    off = (outputs - targets).abs().mean()
    return off if off.item() > 1 else off * off


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"model": with_norm}, "changes its buffers"),
        ({"model": with_dropout}, "all clients at once raised RuntimeError: vmap.* random"),
        ({"model": Couples}, "at once is not the steps of each"),
        ({"model": Counts}, "changes its buffers"),
        ({"loss": lambda o, t: (o - t).square().sum()}, "not the mean over examples"),
        ({"loss": branching}, "all clients at once raised|not the mean over examples"),
        ({"training_step": lambda model, batch: model(batch[0]).sum()}, "its own training_step"),
        ({"optimizer": lambda ps, h: torch.optim.SGD(ps, lr=0.1)}, "its own optimizer"),
    ],
)
def test_what_cannot_be_batched_trains_in_turn_and_says_why(
    parts: dict[str, Any], reason: str
) -> None:
    data, made = of_sizes(9, 4), workload(**parts)
    cohort = Cohort(made, data)
    assert not cohort.batched
    with pytest.raises(WorkloadError, match=reason):
        Cohort(made, data, batched=True)
    base = initial_version(made, 1)
    updates = cohort.train(base, works(data, 1), hyperparameters=Hyperparameters())
    alone = Trainer.of(made, data["c0"]).train(base, hyperparameters=Hyperparameters(), seed=10)
    assert all(torch.equal(updates.deltas[n][0], alone.delta[n]) for n in alone.delta)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (of_sizes(5) | {"c9": Subset(examples(9, 1), [1, 2])}, "data of c9 is no TensorDataset"),
        (of_sizes(5) | {"c9": images(5, 1)}, "differ in shape"),
    ],
)
def test_data_that_cannot_be_stacked_is_named(data: dict[str, Any], reason: str) -> None:
    cohort = Cohort(workload(), data)
    assert not cohort.batched
    assert reason in cohort.reason


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (convolutional, "convolutions are faster one client after the other"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 2000)), "more than 100,000 values"),
    ],
)
def test_models_that_are_faster_in_turn_train_in_turn(
    model: Callable[[], nn.Module], reason: str
) -> None:
    made = workload(model=model, loss=nn.functional.cross_entropy)
    cohort = Cohort(made, of_sizes(9, 4, draw=images))
    assert not cohort.batched
    assert reason in cohort.reason


def test_choice_is_open_to_the_caller() -> None:
    data = of_sizes(9, 4)
    assert Cohort(workload(), data).batched
    assert "mean" in Cohort(workload(), data).reason
    assert Cohort(workload(), data, batched=False).reason == "the plain loop was chosen"


@pytest.mark.parametrize(
    ("steps", "turns"),
    [
        # a stack takes its longest client's steps; each turn costs a quarter of the client's
        ([100, 10, 10, 10, 10, 10], 1),  # 100, or 10 + 25, ... or 0 + 37.5
        ([100, 100, 9, 9, 9, 9, 9], 2),  # 100, or 100 + 25, or 9 + 50, ... or 0 + 61.25
        ([10, 9, 8, 7, 6], 0),  # 10, or 9 + 2.5, or 8 + 4.75, ... or 0 + 10
        ([5, 5, 5], 3),  # 5, or 5 + 1.25, or 5 + 2.5, or 0 + 3.75
        ([5, 5, 5, 5], 0),  # 5, ... or 0 + 5
    ],
)
def test_clients_with_far_more_steps_than_the_others_take_their_turn(
    steps: list[int], turns: int
) -> None:
    assert count_turns(steps) == turns


def test_some_in_turn_and_some_at_once_give_each_its_own_row() -> None:
    data = of_sizes(5, 300, 4, 8, 7, 6)
    cohort, base = Cohort(workload(), data), initial_version(workload(), 1)
    assert cohort.batched
    asked = works(data, 2)
    updates = cohort.train(base, asked, hyperparameters=Hyperparameters())
    for row, work in enumerate(asked):
        alone = Trainer.of(workload(), data[work.client]).train(
            base, hyperparameters=Hyperparameters(epochs=2), seed=work.seed
        )
        assert updates.num_examples[row] == alone.num_examples
        assert updates.loss[row] == pytest.approx(alone.loss, rel=1e-5)
        exact = [torch.equal(updates.deltas[n][row], alone.delta[n]) for n in alone.delta]
        assert all(exact) or work.client != "c1"
    back = cohort.train(base, asked[::-1], hyperparameters=Hyperparameters())
    assert all(torch.equal(back.deltas[n].flip(0), updates.deltas[n]) for n in back.deltas)


def test_works_and_bases_that_do_not_fit_are_refused() -> None:
    data = of_sizes(9, 4)
    cohort, base = Cohort(workload(), data), initial_version(workload(), 1)
    for asked, said in (([ClientWork("nobody", 1, 1)], "no data of nobody"), ([], "nothing to do")):
        with pytest.raises(WorkloadError, match=said):
            cohort.train(base, asked, hyperparameters=Hyperparameters())
    with pytest.raises(UpdateError, match="another model"):
        cohort.train({}, works(data, 1), hyperparameters=Hyperparameters())
    with pytest.raises(WorkloadError, match="no clients"):
        Cohort(workload(), {})
    with pytest.raises(WorkloadError, match="empty"):
        Cohort(workload(), {"a": examples(3, 0), "b": examples(0, 0)})


def test_base_is_left_alone() -> None:
    data = of_sizes(9, 4)
    base = initial_version(workload(), 1)
    kept: State = {name: tensor.clone() for name, tensor in base.items()}
    Cohort(workload(), data).train(base, works(data, 2), hyperparameters=Hyperparameters())
    assert all(torch.equal(base[name], kept[name]) for name in kept)
