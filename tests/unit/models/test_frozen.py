"""The frozen part of a model is apart from its versions, and no training reaches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from common.errors import UpdateError
from common.files import file_sha256
from common.hyperparameters import Hyperparameters
from models.aggregation import Contribution
from models.frozen import check_frozen, frozen_parameters, read_whole, write_version
from models.model_factory import ModelFactory
from models.serialization import frozen_name, read_state, write_state
from models.server_optimizers import make_server_optimizer
from models.training import Trainer
from models.update import delta_signature, is_hollow, model_state, trainable_parameters
from models.version import initial_version, make_version

ASKED = Hyperparameters(epochs=2, batch_size=8, learning_rate=0.05)


class Adapted(nn.Module):
    """A frozen layer, one that is trained, and statistics; `extra` is what a test adds."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(3, 4).requires_grad_(requires_grad=False)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 1)
        self.tied = self.base

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.base(x)))  # type: ignore[no-any-return]


class Hooked(Adapted):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.base.register_forward_hook(lambda *_: self.count())

    def count(self) -> None:
        self.calls += 1


class Cached(Adapted):
    def __init__(self) -> None:
        super().__init__()
        self.view = self.base.weight.detach()


class Spoils(Adapted):
    """Writes to what is frozen."""

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = super().forward(x)
        self.base.weight.data.add_(1.0)
        return found


def test_a_version_holds_what_is_trained_and_names_the_rest(tmp_path: Path) -> None:
    state = model_state(Adapted())
    version, part = write_version(state, frozen_parameters(Adapted()), tmp_path)
    assert part is not None
    assert part[1] == file_sha256(part[0]) == frozen_name(version)
    assert read_state(part[0]).keys() == {"base.weight", "base.bias"}
    assert "norm.num_batches_tracked" in read_state(version)
    whole = read_whole(version, lambda _: part[0])
    assert whole.keys() == state.keys()
    assert all(torch.equal(whole[name], state[name]) for name in state)


def test_versions_with_equal_trained_and_other_frozen_values_have_other_names(
    tmp_path: Path,
) -> None:
    one = model_state(Adapted())
    other = {**one, "base.bias": one["base.bias"] + 1}
    names = set()
    for number, state in enumerate((one, other)):
        folder = tmp_path / str(number)
        folder.mkdir()
        names.add(file_sha256(write_version(state, {"base.weight", "base.bias"}, folder)[0]))
    assert len(names) == 2


def test_a_model_without_frozen_parameters_is_one_file(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    version, part = write_version(model_state(model), frozen_parameters(model), tmp_path)
    assert part is None
    assert frozen_name(version) is None


def test_the_next_version_names_the_frozen_part_of_its_base(tmp_path: Path) -> None:
    model = Adapted()
    base, part = write_version(model_state(model), frozen_parameters(model), tmp_path)
    assert part is not None
    signature = delta_signature(model)
    update = tmp_path / "update"
    write_state({n: torch.ones(spec.shape) for n, spec in signature.items()}, update)
    made = make_version(
        base, None, [Contribution(update, 1)], signature=signature, norm_bound=100.0,
        parameters=trainable_parameters(model), optimizer=make_server_optimizer("fedavg"),
        folder=tmp_path,
    )  # fmt: skip
    assert frozen_name(made.model) == part[1]


@pytest.mark.parametrize("made", [Adapted, Hooked, Cached])
def test_training_and_scores_are_those_of_models_built_anew(
    make_workload: Any, made: type[nn.Module]
) -> None:
    workload = make_workload(model=made)
    base = initial_version(workload, 3)
    site = Trainer(workload, "a")
    built = Trainer.of(workload, workload.train_data("a"))
    for _ in range(2):
        one = site.train(base, hyperparameters=ASKED, seed=7)
        other = built.train(base, hyperparameters=ASKED, seed=7)
        assert one.loss == other.loss
        assert one.delta.keys() == delta_signature(made()).keys()
        assert all(torch.equal(one.delta[name], other.delta[name]) for name in one.delta)


def test_a_copy_has_no_frozen_values_of_its_own_where_that_is_safe(make_workload: Any) -> None:
    for made, hollow in ((Adapted, True), (Hooked, False), (Cached, False)):
        factory = ModelFactory(make_workload(model=made), without_frozen=True)
        one, other = factory.new(), factory.new()
        for model in (one, other):
            assert is_hollow(model.base.weight) is hollow  # type: ignore[union-attr, arg-type]
            assert model.tied is model.base
        assert one.head is not other.head
    shared = Adapted()
    kept = ModelFactory(make_workload(model=lambda: shared), without_frozen=True)
    assert is_hollow(kept.new().base.weight)  # type: ignore[union-attr, arg-type]
    assert not is_hollow(shared.base.weight)


def test_what_is_written_to_frozen_parameters_reaches_no_other_training(
    make_workload: Any, tmp_path: Path
) -> None:
    workload = make_workload(model=Spoils)
    version, part = write_version(
        initial_version(workload, 3), frozen_parameters(Spoils()), tmp_path
    )
    assert part is not None
    site, found = Trainer(workload, "a"), []
    for _ in range(2):
        base = read_whole(version, lambda _: part[0])
        found.append(site.train(base, hyperparameters=ASKED, seed=7).delta)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert file_sha256(part[0]) == part[1]


def test_a_site_that_freezes_other_parameters_is_told_which() -> None:
    check_frozen({"a"}, {"a"})
    text = (
        r"does not freeze the same parameters as the coordinator's \(a, b, c and 1 more\), so it "
        r"was not trained\. Use the coordinator's workload at the site\."
    )
    with pytest.raises(UpdateError, match=text):
        check_frozen({"a", "b", "c", "d", "x"}, {"x"})
