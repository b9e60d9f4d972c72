"""Batches: nothing is left over alone, and what is counted is what was trained on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import Dataset, Subset, TensorDataset

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.batch import batch_sizes
from models.batched import ClientWork, Cohort
from models.evaluation import evaluate
from models.loading import in_order, shuffled
from models.local_result import LocalResult
from models.training import Trainer
from models.update import model_state
from models.version import initial_version
from tests.known import known


def norm_model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))


def examples(count: int) -> TensorDataset:
    x = torch.linspace(-1, 1, 3 * count).view(count, 3)
    return TensorDataset(x, x.sum(dim=1, keepdim=True))


def trained(make_workload: Any, data: Dataset[Any], **asked: Any) -> LocalResult:
    workload = make_workload(model=norm_model, train_data=lambda _: data)
    return Trainer(workload, "a").train(
        initial_version(workload, 1), hyperparameters=Hyperparameters(**asked), seed=1
    )


@given(st.integers(1, 300), st.integers(1, 300))
def test_every_example_is_in_a_batch_and_none_alone(num_examples: int, batch_size: int) -> None:
    sizes = batch_sizes(num_examples, batch_size)
    assert sum(sizes) == num_examples
    assert max(sizes) <= batch_size + 1
    assert 1 not in sizes or batch_size == 1 or num_examples == 1


@given(st.integers(1, 300), st.integers(1, 300))
def test_dropping_the_last_leaves_full_batches_alone(num_examples: int, batch_size: int) -> None:
    sizes = batch_sizes(num_examples, batch_size, drop_last=True)
    full = num_examples // batch_size
    assert sizes == ([batch_size] * full or [num_examples])


@pytest.mark.parametrize("whole", [TensorDataset, Subset])
@pytest.mark.parametrize("drop_last", [False, True])
def test_any_data_set_comes_in_these_batches(whole: Any, drop_last: bool) -> None:  # noqa: FBT001 - pytest's
    kept: Dataset[Any] = TensorDataset(torch.arange(65))
    data = kept if whole is TensorDataset else Subset(kept, range(65))
    sizes = batch_sizes(65, 32, drop_last=drop_last)
    generator = torch.Generator().manual_seed(1)
    drawn = [batch[0] for batch in shuffled(data, sizes, generator)]
    assert [len(rows) for rows in drawn] == ([32, 32] if drop_last else [32, 33])
    order = torch.randperm(65, generator=torch.Generator().manual_seed(1))
    assert torch.equal(torch.cat(drawn), order[: sum(sizes)])
    plain = [batch[0] for batch in in_order(data, 16)]
    assert [len(rows) for rows in plain] == [16, 16, 16, 17]
    assert torch.equal(torch.cat(plain), torch.arange(65))


@pytest.mark.parametrize("count", [33, 65, 3])
@pytest.mark.parametrize("wrapped", [False, True])
def test_one_example_left_over_trains_with_batch_norm(
    make_workload: Any,
    count: int,
    wrapped: bool,  # noqa: FBT001 - pytest's
) -> None:
    data: Dataset[Any] = examples(count)
    if wrapped:
        data = Subset(data, range(count))
    result = trained(make_workload, data, batch_size=2 if count == 3 else 32, epochs=2)
    assert result.num_examples == count


def test_dropped_examples_do_not_count(make_workload: Any) -> None:
    result = trained(make_workload, examples(70), batch_size=32, drop_last=True)
    assert result.num_examples == 64


def test_loss_and_utility_are_of_the_batches_that_were_trained(make_workload: Any) -> None:
    # x -> x stays as it is: each batch of 2 has loss 4, the fifth example is left out or folded in
    def constant() -> nn.Module:
        model = nn.Linear(1, 1, bias=False)
        nn.init.constant_(model.weight, 2)
        return model

    data = TensorDataset(torch.ones(5, 1), torch.zeros(5, 1))
    workload = make_workload(model=constant, train_data=lambda _: data)
    for drop_last, count in ((True, 4), (False, 5)):
        asked = Hyperparameters(batch_size=2, learning_rate=1e-30, drop_last=drop_last)
        result = Trainer(workload, "a").train(
            model_state(constant()), hyperparameters=asked, seed=0
        )
        assert (result.num_examples, result.loss) == (count, 4.0)
        assert result.utility == pytest.approx(4.0 * count)


def test_less_than_one_batch_is_kept_whatever_is_dropped(make_workload: Any) -> None:
    assert trained(make_workload, examples(5), batch_size=32, drop_last=True).num_examples == 5


@pytest.mark.parametrize(("count", "batch_size"), [(1, 32), (4, 1)])
def test_batches_of_one_that_cannot_train_are_explained(
    make_workload: Any, count: int, batch_size: int
) -> None:
    with pytest.raises(WorkloadError, match="Each batch had one example, on which layers such as"):
        trained(make_workload, examples(count), batch_size=batch_size)


def test_one_example_trains_where_the_model_allows_it(make_workload: Any) -> None:
    workload = make_workload(model=lambda: nn.Linear(3, 1), train_data=lambda _: examples(1))
    base = initial_version(workload, 1)
    result = Trainer(workload, "a").train(base, hyperparameters=Hyperparameters(), seed=1)
    assert result.num_examples == 1


def test_model_that_squeezes_its_outputs_is_scored_on_257_examples(make_workload: Any) -> None:
    class Squeezing(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).squeeze()

    x = torch.ones(257, 3)
    workload = make_workload(model=lambda: Squeezing(3, 1))
    model = workload.model()
    figures = evaluate(workload, model, model_state(model), TensorDataset(x, torch.ones(257)))
    assert known(figures)["mae"] > 0


@pytest.mark.parametrize("drop_last", [False, True])
def test_all_clients_at_once_train_on_the_batches_of_each(
    make_workload: Any,
    drop_last: bool,  # noqa: FBT001 - pytest's
) -> None:
    data = {f"c{count}": examples(count) for count in (1, 3, 17, 33, 40)}
    workload = make_workload(model=lambda: nn.Linear(3, 1), train_data=lambda client: data[client])
    base = initial_version(workload, 1)
    asked = Hyperparameters(batch_size=16, drop_last=drop_last, epochs=3)
    works = [ClientWork(client, seed=5, epochs=2) for client in data]
    found = Cohort(workload, data, batched=True).train(base, works, hyperparameters=asked)
    for row, work in enumerate(works):
        alone = Trainer(workload, work.client).train(
            base, hyperparameters=asked.model_copy(update={"epochs": 2}), seed=5
        )
        assert found.num_examples[row] == alone.num_examples
        assert found.loss[row] == pytest.approx(alone.loss, rel=1e-5)
        assert found.utility[row] == pytest.approx(alone.utility, rel=1e-5)
        for name, delta in alone.delta.items():
            assert torch.allclose(found.deltas[name][row], delta, atol=1e-6)
