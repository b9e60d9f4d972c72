"""A simulation names versions as production does, and knows what a site pulls."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from common.files import file_sha256
from models.frozen import frozen_parameters, write_version
from models.update import model_state
from simulation.ports.version_bytes import VersionBytes


def test_versions_and_the_frozen_part_have_the_names_and_sizes_of_production(
    tmp_path: Path,
) -> None:
    model = nn.Sequential(nn.Linear(3, 4).requires_grad_(requires_grad=False), nn.Linear(4, 1))
    state = model_state(model)
    version, part = write_version(state, frozen_parameters(model), tmp_path)
    assert part is not None
    simulated = VersionBytes(model, state)
    assert (simulated.frozen, simulated.frozen_nbytes) == (part[1], part[0].stat().st_size)
    assert simulated.name(state) == file_sha256(version)
    assert simulated.nbytes(state) == version.stat().st_size


def test_without_frozen_parameters_a_version_is_the_whole_model(tmp_path: Path) -> None:
    state = model_state(nn.Linear(2, 1))
    version, _ = write_version(state, (), tmp_path)
    simulated = VersionBytes(nn.Linear(2, 1), state)
    assert (simulated.frozen, simulated.frozen_nbytes) == (None, 0)
    assert simulated.name(state) == file_sha256(version)
