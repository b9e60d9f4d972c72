"""A model that a run begins from: read as it was written, or refused by what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from common.errors import WorkloadError
from models.update import model_state
from models.warm_start import read_first_version


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "given.safetensors"


def refused(path: Path) -> str:
    with pytest.raises(WorkloadError) as caught:
        read_first_version(path, net(), Path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_saved_model_is_read_as_it_was(path):
    saved = net()
    save_model(saved, str(path))
    state = read_first_version(path, net(), Path)
    assert state.keys() == model_state(saved).keys()
    for name, tensor in model_state(saved).items():
        assert torch.equal(state[name], tensor)


def test_tied_weights_may_be_stored_once(path):
    def tied() -> nn.Module:
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        model[1].weight = model[0].weight
        return model

    save_model(tied(), str(path))
    assert set(read_first_version(path, tied(), Path)) == set(model_state(tied()))


def test_what_is_missing_too_much_and_of_another_form_is_named(path):
    state = model_state(net())
    del state["0.bias"]
    state |= {
        "head": torch.zeros(1),
        "1.weight": torch.zeros(4),
        "0.weight": torch.zeros(3, 2).half(),
    }
    save_file(state, path)
    assert refused(path) == (
        "The model of --init-from lacks 0.bias; it has, beyond the model, head; it holds 0.weight "
        "as float16 [3, 2] where the model has float32 [3, 2], 1.weight as float32 [4] where the "
        "model has float32 [3]; so no run can begin from it. Give one that was saved from the "
        "workload's own model."
    )


def test_many_names_are_counted(path):
    save_file({"x": torch.zeros(1)}, path)
    assert "lacks 0.weight, 0.bias, 1.weight and 4 more; it has" in refused(path)


def test_a_parameter_that_is_not_finite_is_refused(path):
    state = model_state(net())
    state["0.bias"][1] = torch.nan
    save_file(state, path)
    assert "has values that are not finite in 0.bias; so no run" in refused(path)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a pickle", b"\xff" * 64])
def test_what_is_no_safetensors_is_refused(path, data):
    path.write_bytes(data)
    assert refused(path).startswith("The model of --init-from is not a whole safetensors file (")
