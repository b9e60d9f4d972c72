"""A user's own loop: what it is handed, what it reports, what it keeps, what goes without it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.batched import ClientWork, Cohort
from models.configured import check_options
from models.local_part import LocalPart
from models.local_result import LocalResult
from models.memory import Memory, part
from models.own_loop import KIND, brings, own_function
from models.server_optimizers.fedavg import FedAvg
from models.training import Trainer
from models.update import model_state
from tests.fakes import own_loop


def trained(workload: Any, part: LocalPart | None = None, **asked: Any) -> LocalResult:
    trainer = Trainer(workload, "lyon")
    base = model_state(trainer.models.new())
    hyperparameters = Hyperparameters(**asked)
    return trainer.train(
        base, hyperparameters=hyperparameters, seed=3, part=part or LocalPart(client="lyon"),
        scores=True,
    )  # fmt: skip


def test_what_the_loop_does_to_the_model_is_the_update() -> None:
    result = trained(own_loop)
    assert result.delta["weight"].tolist() == [[1.0]]
    assert (result.num_examples, result.num_steps) == (8, 1)
    assert math.isnan(result.loss)


def test_state_of_one_update_is_where_the_next_begins() -> None:
    trainer = Trainer(own_loop, "lyon")
    base, moved = model_state(trainer.models.new()), []
    memory: Memory = {}
    for seed in range(3):
        result = trainer.train(base, hyperparameters=Hyperparameters(), seed=seed, memory=memory)
        memory = result.memory
        moved.append(result.delta["weight"].item())
    assert moved == [1.0, 2.0, 3.0]
    assert part(memory, KIND)["times"].item() == 3


def test_loop_is_handed_part_hyperparameters_options_and_the_pulled_model(make_workload) -> None:
    seen: dict[str, Any] = {}

    def train(model: nn.Module, data: Any, context: Any) -> dict[str, float]:
        seen.update(
            about=(context.run, context.round, context.client, context.seed),
            place=(context.partition, context.num_partitions),
            options=dict(context.options),
            rate=context.hyperparameters.learning_rate,
            examples=len(data),
            device=context.device,
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
        context.global_state["0.bias"].zero_()  # its copy: the update must not see it
        context.progress(1, 2, 0.5)
        return {"num_steps": 7, "num_examples": 60, "loss": 0.5}

    about = LocalPart("r", 4, "lyon", partition=2, num_partitions=5, options={"depth": 3})
    result = trained(make_workload(train=train), about, learning_rate=0.25)
    assert seen == {
        "about": ("r", 4, "lyon", 3), "place": (2, 5), "options": {"depth": 3}, "rate": 0.25,
        "examples": 70, "device": torch.device("cpu"),
    }  # fmt: skip
    assert result.delta["0.bias"].tolist() == pytest.approx([1.0] * 4)
    assert (result.num_examples, result.num_steps, result.loss) == (60, 7, 0.5)
    assert result.utility == 60 * 0.5


def test_steps_that_nobody_counted_are_unknown(make_workload) -> None:
    result = trained(make_workload(train=lambda model, data, context: None))
    assert result.num_steps is None
    assert result.num_examples == 70
    assert math.isnan(result.loss)


def test_random_numbers_of_a_loop_follow_its_seed(make_workload) -> None:
    def train(model: nn.Module, data: Any, context: Any) -> None:
        with torch.no_grad():
            next(model.parameters()).add_(torch.rand(4, 3))

    first, again = (trained(make_workload(train=train)).delta["0.weight"] for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (3, "returned int"),
        ({"steps": 3}, "returned ['steps']"),
        ({"num_steps": 0}, "returned num_steps 0"),
        ({"num_examples": 1.5}, "returned num_examples 1.5"),
        ({"num_examples": math.nan}, "returned num_examples nan"),
        ({"num_steps": "three"}, "returned num_steps three"),
        ({"loss": "low"}, "returned loss low"),
        ({"loss": torch.ones(2)}, r"returned loss tensor([1., 1.])"),
    ],
)
def test_report_that_cannot_be_recorded_is_one_line(make_workload, returned, named) -> None:
    with pytest.raises(
        WorkloadError, match=r"so its update is not sent\. Return nothing"
    ) as raised:
        trained(make_workload(train=lambda model, data, context: returned))
    assert named in str(raised.value)


def test_only_tensors_are_kept(make_workload) -> None:
    def train(model: nn.Module, data: Any, context: Any) -> None:
        context.state["rounds"] = 3

    with pytest.raises(WorkloadError, match=r"left rounds in context\.state"):
        trained(make_workload(train=train))


def test_data_without_length_need_the_number_of_examples(make_workload) -> None:
    def workload(count: int | None) -> Any:
        return make_workload(
            train_data=lambda _client_id: object(),
            train=lambda model, data, context: {"num_examples": count} if count else None,
        )

    assert trained(workload(12)).num_examples == 12
    with pytest.raises(WorkloadError, match="data without length"):
        trained(workload(None))


def test_function_named_train_without_a_context_is_the_users_own_business(make_workload) -> None:
    workload = make_workload(train=lambda model, loader, epochs: 1 / 0)
    assert own_function(workload, "train") is None
    assert trained(workload).num_steps == 3


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"clip_norm": 1.0}, "--clip-norm would"),
        ({"proximal_mu": 0.1, "accumulate": 2}, "--accumulate, --proximal-mu would"),
        ({"drop_last": True}, "--drop-last would"),
    ],
)
def test_what_a_loop_would_leave_without_effect_is_refused_at_the_site_too(asked, named) -> None:
    with pytest.raises(WorkloadError, match=f"{named} have no effect"):
        trained(own_loop, **asked)


def test_hyperparameters_that_a_loop_can_follow_are_passed_on() -> None:
    asked: dict[str, Any] = {"epochs": 3, "batch_size": 8, "learning_rate": 0.5, "momentum": 0.9}
    assert trained(own_loop, **asked).num_steps == 1


def test_own_evaluation_takes_the_place_of_loss_and_metrics(make_workload) -> None:
    def evaluate(model: nn.Module, data: Any, context: Any) -> dict[str, float]:
        assert not model.training
        return {"dice": 0.25, "num_examples": 9}

    workload = make_workload(
        test_data=lambda: None, held_out_data=lambda client: object(), evaluate=evaluate,
        train=lambda model, data, context: None,
    )  # fmt: skip
    result = trained(workload)
    assert (result.metrics, result.num_held_out) == ({"dice": 0.25}, 9)


def test_cohort_of_a_simulation_lets_each_client_go_on_from_its_own_state() -> None:
    data = {client: own_loop.train_data(client) for client in ("a", "b")}
    cohort = Cohort(own_loop, data)
    assert cohort.reason == "the workload has its own train"
    base = model_state(own_loop.model())
    memory = {f"{KIND}/times": torch.tensor(4)}
    works = [ClientWork("a", 1, 1, memory=memory), ClientWork("b", 2, 1)]
    updates = cohort.train(base, works, hyperparameters=Hyperparameters())
    assert updates.deltas["weight"].flatten().tolist() == [5.0, 1.0]
    assert [part(kept, KIND)["times"].item() for kept in updates.memories] == [5, 1]


def test_options_reach_a_loop_without_a_parameter_for_them() -> None:
    check_options(own_loop, {"depth": 2}, server_optimizer=FedAvg(learning_rate=1.0))
    assert brings(own_loop) == {"own loop"}
