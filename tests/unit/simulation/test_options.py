"""Options of a run in a simulation; and what a simulation does not begin from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_model
from torch import nn

from common.errors import SettingError, WorkloadError
from simulation.outcome import Outcome
from simulation.run import simulate
from simulation.scenario.loading import load_scenario
from tests.fakes import with_options
from tests.unit.simulation.worlds import body, world

OWN = {"name": "tests.fakes.with_options", "split": {"kind": "own"}}


def played(workload: dict[str, Any], **options: Any) -> Outcome:
    run = {**body()["run"], "metric": "accuracy", "options": options}
    return simulate(world(workload=workload, run=run))


@pytest.mark.parametrize("batched", [True, False])
def test_options_reach_model_and_data(*, batched: bool) -> None:
    own = {**OWN, "batched": batched}
    versions = {
        played(own, **options).version
        for options in ({}, {"classes": 2}, {"classes": 3}, {"points": 32})
    }
    assert len(versions) == 3  # two classes are the default


def test_options_that_reach_nothing_are_refused() -> None:
    with pytest.raises(WorkloadError, match="so width would have no effect"):
        played({"name": "digits", "split": {"kind": "own"}}, width=3)


GIVEN = 'init_from = "given.safetensors"'


def _written(folder: Path, begins: str = "") -> Path:
    path = folder / "scenario.toml"
    path.write_text(
        f"""start = 2022-05-02T00:00:00Z
        [signal]
        kind = "flat"
        gco2eq_per_kwh = 100
        [workload]
        name = "{OWN["name"]}"
        split = {{kind = "own"}}
        {begins}
        [run]
        rounds = 1
        policy = "all"
        [[clients]]
        zone = "FR"
        count = 2
        power_w = 100
        examples_per_s = 10
        """
    )
    return path


def test_a_run_begins_from_the_model_in_a_file(tmp_path: Path) -> None:
    given = with_options.model({})
    given.load_state_dict({name: value + 1 for name, value in given.state_dict().items()})
    save_model(given, str(tmp_path / "given.safetensors"))
    new = simulate(load_scenario(_written(tmp_path)))
    begun = simulate(load_scenario(_written(tmp_path, GIVEN)))
    assert begun.version != new.version
    other = nn.Linear(4, 3)
    save_model(other, str(tmp_path / "given.safetensors"))
    with pytest.raises(WorkloadError, match="so no run can begin from it"):
        simulate(load_scenario(_written(tmp_path, GIVEN)))
    (tmp_path / "given.safetensors").unlink()
    with pytest.raises(SettingError, match="There is no file given"):
        load_scenario(_written(tmp_path, GIVEN))


def test_a_model_of_a_coordinator_is_refused() -> None:
    with pytest.raises(SettingError) as caught:
        world(run={**body()["run"], "init_from": "0" * 64})
    assert str(caught.value) == (
        "world.toml: a scenario names its first model by file, so nothing was simulated. Leave "
        "out run.init_from, and set workload.init_from to a safetensors file."
    )
