"""Personal layers: which tensors they are, what travels, and what a site starts from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from common.errors import WorkloadError
from common.hyperparameters import Hyperparameters
from models.local_part import LocalPart
from models.memory import as_part
from models.personal import KIND, own_model, split_layers
from models.training import Trainer
from models.update import load_state, model_state
from models.version import initial_version

NORM = LocalPart(personal=("norm",))
ASKED = Hyperparameters(epochs=2, batch_size=8)


class Net(nn.Module):
    """A body, a normalisation layer and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.bn1 = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.bn1(self.body(x)))
        return out


BN = {f"bn1.{name}" for name in ("weight", "bias", "running_mean", "running_var")}
COUNT = "bn1.num_batches_tracked"


def test_a_pattern_names_tensors_as_a_pattern_names_files() -> None:
    layers = split_layers(Net(), ("head.*",))
    assert layers.personal == {"head.weight", "head.bias"}
    assert set(layers.shared) == {"body.weight", "body.bias", *BN}
    assert layers.num_params == 4 + 1


@pytest.mark.parametrize("pattern", ["norm", "bn*"])
def test_normalisation_layers_stay_with_their_statistics_and_the_count_of_these(pattern) -> None:
    layers = split_layers(Net(), (pattern,))
    assert layers.personal == {*BN, COUNT}
    assert set(layers.shared) == {"body.weight", "body.bias", "head.weight", "head.bias"}


def test_a_tied_tensor_stays_if_any_of_its_names_matches_and_a_frozen_one_is_in_neither(
    tied_model,
) -> None:
    layers = split_layers(tied_model, ("decoder.weight", "decoder.bias"))
    assert layers.personal == {"encoder.weight", "decoder.bias"}
    assert "frozen" not in layers.shared


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("head", "--personal head matches nothing that is trained, so nothing would stay"),
        ("head", "write for instance --personal 'head.*'"),
        ("classifier.*", "The model has body.weight, body.bias, bn1.weight"),
        ("classifier.*", "--personal 'head*'"),
        ("bn1.num*", "matches nothing that is trained"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused_with_what_would(pattern, says) -> None:
    with pytest.raises(WorkloadError) as refused:
        split_layers(Net(), ("body.*", pattern))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_model_without_normalisation_layers_has_none_to_keep() -> None:
    with pytest.raises(WorkloadError, match="--personal norm finds no normalisation layer"):
        split_layers(nn.Linear(2, 2), ("norm",))


def test_patterns_that_leave_nothing_to_learn_together_are_refused() -> None:
    with pytest.raises(WorkloadError, match="matches all that is trained"):
        split_layers(Net(), ("*",))


def test_what_stays_is_in_no_update_and_is_what_the_site_goes_on_from(make_workload: Any) -> None:
    workload = make_workload(model=Net)
    base = initial_version(workload, 1)
    trainer = Trainer(workload, "a")
    first = trainer.train(base, hyperparameters=ASKED, seed=1, part=NORM)
    whole = trainer.train(base, hyperparameters=ASKED, seed=1)
    assert set(first.delta) == {"body.weight", "body.bias", "head.weight", "head.bias"}
    assert set(first.memory) == {f"{KIND}/{name}" for name in {*BN, COUNT}}
    for name in first.delta:  # the site trains all of the model, whatever travels
        assert torch.equal(first.delta[name], whole.delta[name])
    own = own_model(base, first.memory)
    assert torch.equal(own["bn1.bias"], base["bn1.bias"] + whole.delta["bn1.bias"])
    assert own[COUNT] == 2 * 9  # 70 examples are nine batches of 8 or fewer, twice
    again = trainer.train(base, hyperparameters=ASKED, seed=2, part=NORM, memory=first.memory)
    same = trainer.train(own, hyperparameters=ASKED, seed=2)
    for name in again.delta:
        assert torch.equal(again.delta[name], same.delta[name])
    assert own_model(base, again.memory)[COUNT] == 4 * 9


def test_a_site_scores_its_own_model(make_workload: Any) -> None:
    x = torch.ones(4, 1)
    tests = TensorDataset(x, torch.full((4, 1), 3.0))
    workload = make_workload(
        model=lambda: nn.Linear(1, 1), train_data=lambda _: tests, held_out_data=lambda _: tests
    )
    base = {"weight": torch.tensor([[2.0]]), "bias": torch.tensor([0.5])}
    memory = as_part({"bias": torch.tensor([4.0])}, KIND)
    trainer, part = Trainer(workload, "a"), LocalPart(personal=("bias",))
    own = trainer.train(
        base, hyperparameters=Hyperparameters(), seed=1, scores=True, part=part, memory=memory
    )
    assert own.num_held_out == 4
    assert own.metrics["mae"] == 3.0  # 2 x + 4 where 3 is right
    assert trainer.score(base, part)[0]["mae"] == 0.5


def test_without_a_state_a_site_begins_with_what_every_version_holds(make_workload: Any) -> None:
    workload = make_workload(model=Net)
    base = initial_version(workload, 1)
    assert own_model(base, {}) == base
    model = Net()
    load_state(model, own_model(base, {}))
    assert all(torch.equal(tensor, base[name]) for name, tensor in model_state(model).items())
