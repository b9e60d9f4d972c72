"""Models that `torch.compile` has wrapped: their tensors have the names that they have without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_model, save_model
from torch import nn

from common.hyperparameters import Hyperparameters
from models.batched import Cohort
from models.serialization import write_state
from models.training import Trainer
from models.update import delta_signature, model_state, trainable_parameters
from models.version import initial_version
from models.warm_start import read_first_version


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def compiled() -> nn.Module:
    # without a compiler: what matters is the module around the model's own
    return torch.compile(plain(), backend="eager")  # type: ignore[return-value]


def partly() -> nn.Module:
    model = plain()
    model[0] = torch.compile(model[0], backend="eager")  # type: ignore[index,operator]
    return model


@pytest.mark.parametrize("model", [compiled, partly])
def test_a_compiled_model_has_the_state_of_a_plain_one(model: Any) -> None:
    assert any("_orig_mod" in name for name in model().state_dict())
    assert list(model_state(model())) == list(model_state(plain()))
    assert delta_signature(model()) == delta_signature(plain())
    assert trainable_parameters(model()) == trainable_parameters(plain())


def test_a_site_that_compiles_trains_the_version_of_a_coordinator_that_does_not(
    make_workload: Any, tmp_path: Path
) -> None:
    here, there = make_workload(model=plain), make_workload(model=compiled)
    base = initial_version(here, 1)
    assert all(torch.equal(tensor, base[n]) for n, tensor in initial_version(there, 1).items())
    result = Trainer(there, "a").train(base, hyperparameters=Hyperparameters(), seed=1)
    assert result.delta.keys() == delta_signature(plain()).keys()
    write_state(base, tmp_path / "model.safetensors")
    missing, unexpected = load_model(plain(), tmp_path / "model.safetensors")
    assert (len(missing), len(unexpected)) == (0, 0)
    assert (
        read_first_version(tmp_path / "model.safetensors", compiled(), Path).keys() == base.keys()
    )


def test_a_run_begins_from_a_compiled_model_that_was_saved(tmp_path: Path) -> None:
    trained = compiled()
    save_model(trained, str(tmp_path / "given.safetensors"))
    state = read_first_version(tmp_path / "given.safetensors", plain(), Path)
    assert all(torch.equal(state[name], tensor) for name, tensor in model_state(trained).items())


def test_a_simulation_trains_a_compiled_model_one_client_after_the_other(
    make_workload: Any,
) -> None:
    workload = make_workload(model=lambda: torch.compile(nn.Linear(3, 1), backend="eager"))
    cohort = Cohort(workload, {"a": workload.train_data("a")})
    assert (cohort.batched, cohort.reason) == (False, "the model is compiled")
