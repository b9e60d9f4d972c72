"""A run that begins from a model: of a file that may go, of an earlier run, or refused."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from common.settings import Settings
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RunOpened
from tasks.coordinator.replay import replay_run
from tests.integration.fleet import Fleet, assert_accounted_for


def replayed(fleet: Fleet, run: str, *, repair: bool = False) -> list[tuple[int, bool, bool]]:
    settings = Settings(home=fleet.home, workloads=("digits",))
    return [
        (each.round, each.same, each.put_back)
        for each in replay_run(fleet.run(run), settings, repair=repair)
    ]


def test_a_run_begins_from_a_version_of_an_earlier_one(fleet):
    fleet.start_run("cold", rounds=2)
    cold = fleet.wait_ended("cold")
    fleet.start_run("warm", rounds=1, init_from="cold:1")
    assert fleet.wait_ended("warm").end_reason == "rounds"
    (opened,) = fleet.payloads(RunOpened, "warm")
    assert opened.version == cold.closed[0].version
    assert opened.evaluation.metrics == cold.closed[0].evaluation.metrics
    assert replayed(fleet, "warm") == [(1, True, False)]
    assert_accounted_for(fleet, "warm")
    shown = fleet.local.fairwind("run", "show", "warm").stdout
    assert f"Began from   model {opened.version[:12]}" in shown
    toml = fleet.local.fairwind("run", "show", "warm", "--toml").stdout
    assert f'init_from = "{opened.version}"' in toml


def test_a_run_from_a_file_is_replayed_without_it(fleet, tmp_path: Path):
    fleet.start_run("teacher", rounds=1)
    fleet.wait_ended("teacher")
    state = load_file(fleet.home / "runs" / "teacher" / "last.safetensors")
    given = tmp_path / "given.safetensors"
    save_file({n: t * 0.5 for n, t in state.items()}, given, metadata={"by": "another tool"})
    fleet.start_run("from-file", rounds=1, init_from=given)
    given.unlink()
    run = fleet.wait_ended("from-file")
    blobs, first = Blobs(fleet.home / "blobs"), run.closed[0].base_version
    assert first != run.spec.init_from
    found = load_file(blobs.path(first))
    assert all(torch.equal(found[n], t * 0.5) for n, t in state.items())
    blobs.remove(first)
    assert replayed(fleet, "from-file", repair=True) == [(0, True, True), (1, True, False)]
    assert blobs.fault(first) is None


def test_a_model_of_another_workload_is_refused_in_one_line_and_leaves_no_run(fleet, tmp_path):
    given = tmp_path / "other.safetensors"
    save_file({"head.weight": torch.zeros(2, 2)}, given)
    done = fleet.local.fairwind("run", "start", "digits", "--rounds=1", f"--init-from={given}")
    assert done.returncode == 1
    assert "The model of --init-from lacks " in done.stderr
    assert "it has, beyond the model, head.weight; so no run can begin from it." in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(run.spec.init_from is None or run.version for run in fleet.state().runs.values())
