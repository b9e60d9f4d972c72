"""Options of a run reach the user's functions at the coordinator and at every site."""

from __future__ import annotations

import json

from safetensors.torch import load_file

from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import UpdateAccepted
from tests.integration.fleet import assert_accounted_for

WORKLOAD = "odd_workloads:optional"


def test_runs_of_one_workload_with_other_options_train_other_models(fleet):
    start = ["run", "start", WORKLOAD, "--rounds=2", "--policy=all"]
    words = ["--option=classes=3", "--option=bias=false", "--option=points=10"]
    for run, options in {"three": words, "usual": []}.items():
        done = fleet.local.fairwind(*start, f"--id={run}", *options)
        assert done.returncode == 0, done.stderr
    blobs = Blobs(fleet.home / "blobs")
    shapes = {}
    for run, num_examples in (("three", 10), ("usual", 64)):
        state = load_file(blobs.path(fleet.wait_ended(run).version))
        shapes[run] = {name: list(tensor.shape) for name, tensor in state.items()}
        accepted = fleet.payloads(UpdateAccepted, run)
        assert {each.admission.num_examples for each in accepted} == {num_examples}
        assert_accounted_for(fleet, run)
    assert shapes == {"three": {"weight": [3, 4]}, "usual": {"weight": [2, 4], "bias": [2]}}
    shown = fleet.local.fairwind("run", "show", "three").stdout
    assert "Options      bias=false, classes=3, points=10" in shown
    as_json = json.loads(fleet.local.fairwind("run", "show", "three", "--json").stdout)
    assert as_json["spec"]["options"] == {"classes": 3, "bias": False, "points": 10}
