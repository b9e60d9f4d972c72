"""The examples of batches run as docs/workload.md shows, in one federation of real processes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.local.federation import PROJECT, LocalFederation

pytestmark = pytest.mark.long

EXAMPLES = PROJECT / "examples"
PAGE = PROJECT / "docs" / "workload.md"
NAMES = ("reviews", "segmentation", "sensors")
LOSSLESS = """
from sensors import *

del loss
"""
SIMULATE = """
import sys
import torch
from simulation.run import simulate
from simulation.scenario.scenario import Scenario

torch.set_num_threads(1)
print(simulate(Scenario.model_validate_json(sys.stdin.read())).version)
"""
RAGGED = """
import torch

loss = torch.nn.functional.mse_loss


def model():
    return torch.nn.Linear(1, 1)


def train_data(client_id):
    return [(torch.ones(length), torch.ones(1)) for length in (1, 2, 3)]


def test_data():
    return None


def metrics(outputs, targets):
    return {}
"""
ZONES = {"FR-01": "FR", "NO-NO1-01": "NO-NO1"}  # named as a simulation names them
SETTINGS = {
    "FAIRWIND_WORKLOADS": ",".join((*NAMES, "lossless", "ragged")),
    "FAIRWIND_SIGNAL": "static",
    "FAIRWIND_TICK_S": "1",
    "FAIRWIND_HEARTBEAT_S": "1",
    "FAIRWIND_EVALUATION_BATCH_SIZE": "4",
}


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFederation]:
    """Two sites that may train each of the examples."""
    folder = tmp_path_factory.mktemp("federation")
    for name in NAMES:
        shutil.copy(EXAMPLES / name / f"{name}.py", folder)
    (folder / "lossless.py").write_text(LOSSLESS)
    (folder / "ragged.py").write_text(RAGGED)
    with LocalFederation(folder, ZONES, settings=SETTINGS) as local:
        for client, zone in ZONES.items():
            assert (
                local.fairwind(
                    "enroll", client, "--zone", zone, "--key", local.site_key(client)
                ).returncode
                == 0
            )
        local.start_coordinator()
        local.start_beat()
        for client in ZONES:
            local.start_site(client)
        absent = ("never seen", "silent")
        local.wait_for(
            lambda: all(c["state"] not in absent for c in shown(local, "clients")), 60, "both sites"
        )
        yield local


def shown(local: LocalFederation, *words: str) -> Any:
    return json.loads(local.fairwind(*words, "--json").stdout)


def command(name: str) -> list[str]:
    """Return the words of the page's `fairwind run start` of an example, without "fairwind"."""
    text = PAGE.read_text("utf-8")
    (line,) = re.findall(rf"^fairwind (run start {name} .*)$", text, re.MULTILINE)
    return str(line).split()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_at_most_sixty_lines(name: str) -> None:
    lines = (EXAMPLES / name / f"{name}.py").read_text("utf-8").splitlines()
    assert len(lines) <= 60
    assert not [line for line in lines if re.match(r"(from|import) (common|models|tasks)", line)]


@pytest.mark.parametrize(
    ("name", "metric", "least", "figures"),
    [
        ("reviews", "accuracy", 0.7, {"loss", "accuracy"}),
        ("segmentation", "dice", 0.5, {"loss", "dice", "iou"}),
        ("sensors", "-mae", -0.3, {"loss", "mae"}),
    ],
)
def test_an_example_learns_at_two_sites_and_to_the_bit_in_a_simulation(
    federation: LocalFederation, name: str, metric: str, least: float, figures: set[str]
) -> None:
    started = federation.fairwind(*command(name), "--policy", "all", "--quorum", "2")
    assert started.returncode == 0, started.stderr
    run = f"{name}-1"
    federation.wait_for(
        lambda: shown(federation, "run", "show", run)["run"]["status"] == "ended", 60, run
    )
    seen = shown(federation, "run", "show", run)
    last = seen["rounds"][-1]["metrics"]
    assert seen["run"]["problems"] == []
    assert set(last) == figures
    sign = -1 if metric.startswith("-") else 1
    assert sign * last[metric.removeprefix("-")] > least
    assert simulated(federation, name, seen["spec"]) == seen["run"]["version"]


def simulated(local: LocalFederation, name: str, spec: dict[str, Any]) -> str:
    """Return the last version of the same run in a simulation, in a process of its own."""
    scenario = {
        "name": spec["id"], "seed": spec["seed"], "start": "2026-07-08T00:00:00Z",
        "signal": {"kind": "flat", "gco2eq_per_kwh": 100},
        "workload": {"name": name, "split": {"kind": "own"}, "batched": False},
        "run": spec,
        "clients": [{"zone": list(ZONES.values()), "count": len(ZONES), "power_w": 100,
                     "examples_per_s": 1000}],
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SIMULATE], input=json.dumps(scenario), text=True, check=False,
        capture_output=True, env=local.env, cwd=local.folder, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_processes_that_load_end_with_the_training(federation: LocalFederation) -> None:
    """The pool of a site is one process, and nothing that sensors.py started is left below it."""
    import psutil  # noqa: PLC0415 - only here

    for client in ZONES:
        worker = psutil.Process(federation.processes.pid(f"site-{client}"))
        assert [child.children() for child in worker.children()] == [[]]


def test_a_workload_without_a_loss_is_refused_when_a_run_starts(
    federation: LocalFederation,
) -> None:
    refused = federation.fairwind("run", "start", "lossless", "--rounds", "1", "--metric", "mae")
    assert refused.returncode != 0
    assert "defines no loss, and what its model returns (Tensor) has none" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_run_show_quotes_what_failed_at_the_sites(federation: LocalFederation) -> None:
    words = ("run", "start", "ragged", "--rounds", "1", "--metric", "loss")
    assert federation.fairwind(*words).returncode == 0
    federation.wait_for(
        lambda: shown(federation, "run", "show", "ragged-1")["run"]["problems"], 60, "a failure"
    )
    said = " ".join(federation.fairwind("run", "show", "ragged-1").stdout.split())
    assert "cannot be stacked to a batch (RuntimeError: stack expects each tensor" in said
    assert "Define collate(items)" in said
    assert federation.fairwind("run", "stop", "ragged-1").returncode == 0
