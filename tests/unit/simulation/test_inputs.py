"""The files and modules that a scenario names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from simulation.inputs import inputs, portable
from simulation.many import scenario_key
from tests.unit.simulation.worlds import trace, world


def test_a_file_is_known_by_its_bytes_and_a_file_that_changes_is_read_again(tmp_path):
    path = trace(tmp_path, {"FR": [100.0] * 48})
    scenario = world(signal={"kind": "trace", "path": path})
    before = inputs(scenario)
    assert before == {"signal.path": hashlib.sha256(path.read_bytes()).hexdigest()}
    trace(tmp_path, {"FR": [100.0] * 49})
    assert inputs(scenario) != before
    assert inputs(world()) == {}


def test_a_file_of_the_data_folder_is_named_as_inside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_DATA", str(tmp_path))
    scenario = world(signal={"kind": "trace", "path": trace(tmp_path, {"FR": [100.0] * 48})})
    there = portable(scenario)
    assert there.signal.path == Path("trace.csv")
    assert scenario_key(there) == scenario_key(scenario)
    assert portable(there) == there


def test_a_first_model_and_the_data_of_a_workload_are_inputs(tmp_path):
    first = tmp_path / "first.safetensors"
    first.write_bytes(b"weights")
    scenario = world(workload={"name": "digits", "init_from": first})
    assert set(inputs(scenario)) == {"workload.init_from"}
    if "FAIRWIND_DATA" not in os.environ:
        pytest.skip("FAIRWIND_DATA names no folder of real data")
    assert set(inputs(world(workload={"name": "pneumoniamnist"}))) == {"data pneumoniamnist_28.npz"}
