"""A workload's own batches: its loader, streams, and processes that load."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.evaluation import evaluate
from models.loader_processes import loader_processes
from models.local_result import LocalResult
from models.training import Trainer
from models.update import model_state
from models.version import initial_version


def examples(count: int) -> TensorDataset:
    x = torch.linspace(-1, 1, 3 * count).view(count, 3)
    return TensorDataset(x, x.sum(dim=1, keepdim=True))


def by_torch(data: Dataset[Any], batch_size: int, generator: torch.Generator | None) -> Any:
    return DataLoader(data, batch_size, shuffle=generator is not None, generator=generator)


def trained(workload: Any, **asked: Any) -> tuple[LocalResult, list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    result = Trainer(workload, "a").train(
        initial_version(workload, 1),
        hyperparameters=Hyperparameters(**{"batch_size": 4} | asked),
        seed=1,
        on_epoch=lambda epoch, epochs, _: seen.append((epoch, epochs)),
    )
    return result, seen


@pytest.mark.parametrize(
    ("asked", "steps", "epochs"),
    [
        ({"epochs": 2}, 6, [(1, 2), (2, 2)]),  # 10 examples: batches of 4, 4 and 2
        ({"steps": 4}, 4, [(1, 2), (2, 2)]),
        ({"steps": 2}, 2, [(1, 1)]),
        ({"epochs": 2, "accumulate": 2}, 4, [(1, 2), (2, 2)]),  # groups of 2 batches and of 1
    ],
)
def test_own_loader_decides_on_batches_and_the_run_on_how_long(
    make_workload: Any, asked: dict[str, int], steps: int, epochs: list[tuple[int, int]]
) -> None:
    workload = make_workload(train_data=lambda _: examples(10), loader=by_torch)
    result, seen = trained(workload, **asked)
    assert (result.num_steps, result.num_examples, seen) == (steps, 10, epochs)
    again, _ = trained(workload, **asked)
    assert all(torch.equal(result.delta[name], again.delta[name]) for name in result.delta)


@pytest.mark.parametrize(
    ("epochs", "steps"),
    [(0.6, 2), (0.8, 2), (0.4, 1), (1.6, 5), (2.01, 7)],  # 10 examples: batches of 4, 4 and 2
)
def test_last_part_of_an_epoch_trains_on_as_many_drawn_examples(
    make_workload: Any, epochs: float, steps: int
) -> None:
    asked = Hyperparameters(batch_size=4).with_epochs(epochs)
    for own in ({}, {"loader": by_torch}):
        result, seen = trained(
            make_workload(train_data=lambda _: examples(10), **own), **asked.model_dump()
        )
        assert (result.num_steps, result.num_examples) == (steps, 10)
        assert result.num_steps == Hyperparameters(batch_size=4).expected_steps(10, epochs=epochs)
        assert [epoch for epoch, _ in seen] == list(range(1, asked.epochs + 1))


def test_a_part_of_an_epoch_has_the_same_bits_again_and_is_not_the_whole(
    make_workload: Any,
) -> None:
    workload = make_workload(train_data=lambda _: examples(10))
    asked = Hyperparameters(batch_size=4).with_epochs(0.5).model_dump()
    one, again = (trained(workload, **asked)[0] for _ in range(2))
    whole, _ = trained(workload)
    assert all(torch.equal(one.delta[name], again.delta[name]) for name in one.delta)
    assert any(not torch.equal(one.delta[name], whole.delta[name]) for name in one.delta)


def test_loss_of_own_batches_is_the_mean_over_examples_of_the_last_epoch(
    make_workload: Any,
) -> None:
    # the model stays at x -> x and targets are 0: losses are 1, of two examples, and 4, of one
    def constant() -> nn.Module:
        model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(model.weight)
        return model

    batches = [(torch.ones(2, 1), torch.zeros(2, 1)), (2 * torch.ones(1, 1), torch.zeros(1, 1))]
    workload = make_workload(
        model=constant, train_data=lambda _: examples(3), loader=lambda *_: iter(batches)
    )
    result = Trainer(workload, "a").train(
        model_state(constant()),
        hyperparameters=Hyperparameters(epochs=2, learning_rate=1e-30),
        seed=0,
    )
    assert result.loss == 2.0  # (2 * 1 + 1 * 4) / 3
    assert result.num_examples == 3


def test_examples_that_a_loader_repeats_or_leaves_out_count_as_often_as_they_are(
    make_workload: Any,
) -> None:
    for times, count in ((3, 10), (0.5, 4)):
        batches = [(torch.ones(4, 3), torch.ones(4, 1))] * round(2 * times)
        workload = make_workload(train_data=lambda _: examples(10), loader=lambda *_, b=batches: b)
        assert trained(workload)[0].num_examples == count


def test_loader_that_gives_nothing_is_named_also_in_the_second_epoch(make_workload: Any) -> None:
    once = iter([(torch.ones(4, 3), torch.ones(4, 1))])
    for batches in ((), once):
        workload = make_workload(train_data=lambda _: examples(4), loader=lambda *_, b=batches: b)
        with pytest.raises(WorkloadError, match="gave no batch"):
            trained(workload, steps=3)


def test_loader_that_gives_too_little_in_an_evaluation_is_refused(make_workload: Any) -> None:
    workload = make_workload(
        loader=lambda data, batch_size, generator: DataLoader(
            data, batch_size, generator=generator, drop_last=True
        )
    )
    base = initial_version(workload, 1)
    with pytest.raises(WorkloadError, match="gave 0 of 70 examples for an evaluation"):
        evaluate(workload, workload.model(), base, workload.test_data())


def test_batch_of_unknown_size_is_named(make_workload: Any) -> None:
    workload = make_workload(loader=lambda *_: [(torch.ones(4, 3), torch.ones(5, 1))])
    with pytest.raises(WorkloadError, match=r"number of examples cannot be seen \(a tuple\)"):
        trained(workload)


class Stream(IterableDataset[Any]):
    """Says how many examples it gives; reads them one by one, shared out among processes."""

    def __init__(self, says: int, gives: int) -> None:
        self.says, self.gives = says, gives

    def __len__(self) -> int:
        return self.says

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in range(first, self.gives, step):
            yield torch.full((3,), float(number)), torch.ones(1)


def test_stream_trains_and_is_scored_in_its_own_order(make_workload: Any) -> None:
    seen: list[list[float]] = []

    def step(model: nn.Module, batch: Any) -> Tensor:
        seen.append(batch[0][:, 0].tolist())
        return model(batch[0]).mean()  # type: ignore[no-any-return]

    workload = make_workload(
        train_data=lambda _: Stream(9, 100), test_data=lambda: Stream(9, 9), training_step=step
    )
    result, _ = trained(workload, epochs=2)
    assert seen == [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0, 8.0]] * 2
    assert (result.num_examples, result.num_steps) == (9, 4)
    base = initial_version(workload, 1)
    assert evaluate(workload, workload.model(), base, workload.test_data())["mae"] is not None


def test_stream_that_ends_before_it_said_is_named(make_workload: Any) -> None:
    workload = make_workload(train_data=lambda _: Stream(9, 7))
    with pytest.raises(WorkloadError, match="says that it has 9 examples and ended after 7"):
        trained(workload)


def test_stream_without_a_length_says_what_to_define(make_workload: Any) -> None:
    class Endless(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            return iter(())

    with pytest.raises(WorkloadError, match="says in __len__ how many a pass gives"):
        Trainer(make_workload(train_data=lambda _: Endless()), "a")


def in_processes(data: Any, batch_size: int, generator: torch.Generator | None) -> Any:
    return DataLoader(data, batch_size, num_workers=2, generator=generator)


def test_processes_that_load_give_the_same_bits_each_time_and_none_is_left(
    make_workload: Any,
) -> None:
    workload = make_workload(train_data=lambda _: Stream(8, 8), loader=in_processes)
    first, again = trained(workload, epochs=2)[0], trained(workload, epochs=2)[0]
    assert first.num_examples == 8
    assert all(torch.equal(first.delta[name], again.delta[name]) for name in first.delta)
    assert multiprocessing.active_children() == []


def test_processes_that_would_outlive_a_training_are_refused(make_workload: Any) -> None:
    def keeping(data: Any, batch_size: int, _generator: Any) -> Any:
        return DataLoader(data, batch_size, num_workers=1, persistent_workers=True)

    with pytest.raises(WorkloadError, match="keeps its processes"):
        trained(make_workload(loader=keeping))


def test_daemon_may_have_children_for_a_while() -> None:
    config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    kept = dict(config)
    config["daemon"] = True
    try:
        with loader_processes():
            assert not multiprocessing.current_process().daemon
        assert multiprocessing.current_process().daemon
        assert config["authkey"] is kept["authkey"]
    finally:
        config.clear()
        config.update(kept)
