"""Rounds across processes: who is asked, who is not, when it ends, and what is there afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

import pytest
import redis
import safetensors.torch
import torch

from models.workloads import digits
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import AssignmentDeclined, RoundClosed, RoundPlanned
from scheduler.policies.policy import POLICIES
from scheduler.selection.verdict_blob import read_verdicts
from tasks.local.federation import COORDINATOR
from tests.integration.fleet import Fleet, assert_accounted_for


class Watcher:
    """Everything that reached a Redis server while it watched, as Redis itself tells it."""

    def __init__(self, url: str) -> None:
        self.commands: list[str] = []
        self._client = redis.Redis.from_url(url)
        self._monitor = self._client.monitor().__enter__()  # type: ignore[no-untyped-call]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def stop(self) -> None:
        self._client.echo("the watcher goes home")
        self._thread.join()
        self._monitor.__exit__(None, None, None)
        self._client.close()

    def trainings_for(self, client: str) -> list[str]:
        """Return the training tasks put on a client's queue; it also gets advice, once a day."""
        starts = (f"LPUSH client.{client} ", f"RPUSH client.{client} ")
        return [c for c in self.commands if c.startswith(starts) and '"task": "train"' in c]

    def _listen(self) -> None:
        for command in self._monitor.listen():
            self.commands.append(command["command"])
            if command["command"].startswith("ECHO the watcher"):
                return


@contextmanager
def watching(fleet: Fleet) -> Iterator[Watcher]:
    watcher = Watcher(fleet.local.redis_url)
    try:
        yield watcher
    finally:
        watcher.stop()


def test_a_client_whose_gate_is_closed_receives_nothing(fleet):
    fleet.wait_alive("coal")
    with watching(fleet) as watcher:
        fleet.start_run("closed-gate", rounds=3)
        fleet.wait_ended("closed-gate")
    assert len(watcher.trainings_for("north")) == 3
    assert len(watcher.trainings_for("west")) == 3
    assert watcher.trainings_for("coal") == []
    assert fleet.redis.exists("client.coal") == 0
    for planned in fleet.payloads(RoundPlanned, "closed-gate"):
        assert "coal" not in planned.cohort
        table = read_verdicts(Blobs(fleet.home / "blobs"), planned.verdicts)
        assert table is not None
        codes = {row.client: row.code for row in table.rows}
        assert codes["coal"] == "gate_closed"
    assert_accounted_for(fleet, "closed-gate")


def test_a_site_above_its_own_ceiling_declines_and_the_ledger_says_why(fleet):
    fleet.start_run("own-ceiling", rounds=1)
    fleet.wait_ended("own-ceiling")
    declined = fleet.wait_event(AssignmentDeclined, "own-ceiling", client="modest")
    reason = declined.work.reason
    assert reason is not None
    assert reason.code == "above_site_ceiling"
    assert reason.text == "above its own ceiling of 120 gCO2eq/kWh: its grid is at 150 gCO2eq/kWh"
    assert "modest" not in fleet.run("own-ceiling").closed[0].cohort


def test_the_saved_models_are_plain_pytorch_and_as_good_as_recorded(fleet):
    fleet.start_run("saved", rounds=4)
    ended = fleet.wait_ended("saved")
    values = [closed.metrics["accuracy"] for closed in ended.closed]
    for name, value in (("last", values[-1]), ("best", max(values))):
        model = torch.nn.Sequential(
            torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
        )
        path = fleet.home / "runs" / "saved" / f"{name}.safetensors"
        model.load_state_dict(safetensors.torch.load_file(path))
        images, labels = digits.test_data().tensors
        accuracy = (model(images).argmax(dim=1) == labels).float().mean().item()
        assert accuracy == pytest.approx(value, abs=1e-6)
    assert ended.best_value == max(values)


def test_a_run_ends_when_it_is_stopped(fleet):
    fleet.start_run("stopped", rounds=100_000)
    fleet.wait_event(RoundClosed, "stopped")
    done = fleet.local.fairwind("run", "stop", "stopped")
    assert done.stdout == "stopped will stop.\n"
    ended = fleet.wait_ended("stopped")
    assert ended.end_reason == "stopped"
    assert (fleet.home / "runs" / "stopped" / "last.safetensors").exists()
    again = fleet.local.fairwind("run", "stop", "stopped")
    assert (again.returncode, again.stderr) == (
        1, "Error: stopped has ended already, so nothing was stopped.\n",
    )  # fmt: skip


def test_a_paused_run_begins_no_round_until_it_is_resumed(fleet):
    fleet.start_run("paused", rounds=100_000)
    fleet.wait_event(RoundClosed, "paused")
    done = fleet.local.fairwind("run", "pause")
    assert done.stdout.startswith("paused is paused")
    again = fleet.local.fairwind("run", "pause", "paused")
    assert again.stderr == "Error: paused is paused already, so nothing was paused.\n"
    fleet.wait(lambda: fleet.run("paused").open_round is None, "its open round to be closed")
    closed = len(fleet.run("paused").closed)
    fleet.restart(COORDINATOR)
    fleet.start_run("beside", rounds=2)
    fleet.wait_ended("beside")
    assert (fleet.run("paused").status, len(fleet.run("paused").closed)) == ("paused", closed)
    seen = fleet.local.fairwind("status", "--run=paused").stdout
    assert "paused is paused, so no round starts. To go on: fairwind run resume paused" in seen
    assert fleet.local.fairwind("run", "resume").stdout == "paused goes on.\n"
    fleet.wait(lambda: len(fleet.run("paused").closed) > closed, "another round")
    assert "not paused" in fleet.local.fairwind("run", "resume").stderr
    assert fleet.local.fairwind("run", "stop").stdout == "paused will stop.\n"
    assert fleet.wait_ended("paused").end_reason == "stopped"


def test_a_run_ends_when_its_hours_are_spent(fleet):
    hours = 5 / 3600
    fleet.start_run("hours", hours=hours)
    ended = fleet.wait_ended("hours")
    assert ended.end_reason == "hours"
    assert (ended.grid_ended_at - ended.grid_started_at).total_seconds() >= 3600 * hours
    assert len(ended.closed) >= 1


def test_a_run_ends_when_its_grams_are_spent(fleet):
    fleet.start_run("grams", grams=2e-5)
    ended = fleet.wait_ended("grams")
    assert ended.end_reason == "grams"
    assert len(ended.closed) >= 1
    before_the_last = sum(closed.gco2eq for closed in ended.closed[:-1])
    assert before_the_last < 2e-5
    assert_accounted_for(fleet, "grams")


def test_two_runs_at_once_share_the_clients(fleet):
    pair = ("one-of-two", "other-of-two")
    for run in pair:
        fleet.start_run(run, rounds=100_000)
    for run in pair:
        fleet.wait(lambda run=run: len(fleet.run(run).closed) >= 4, f"four rounds of {run}")
    closed = [e.run for e in fleet.ledger.events() if e.kind == "round.closed" and e.run in pair]
    for run in pair:
        fleet.local.fairwind("run", "stop", run)
        fleet.wait_ended(run)
    # From the moment there are two they take turns.
    both = closed[closed.index("other-of-two") :]
    longest = max(len(list(turns)) for _, turns in groupby(both))
    assert longest <= 2
    state = Federation()
    for event in fleet.ledger.events():
        apply(state, event)
        open_for = Counter(part.client for part in state.open_assignments())
        assert all(count == 1 for count in open_for.values()), event


def test_a_run_with_a_server_optimizer_that_remembers_replays(fleet):
    fleet.start_run(
        "fedadam", rounds=3, server_optimizer="fedadam", server_option="learning_rate=0.03",
        server_schedule="exponential:0.9", update="mxint8",
    )  # fmt: skip
    ended = fleet.wait_ended("fedadam")
    assert all(closed.server_state for closed in ended.closed)
    assert_accounted_for(fleet, "fedadam")


def test_a_worker_may_be_named_by_its_client(fleet):
    fleet.wait_alive("coal")
    assert ".> client.coal" in fleet.log("site-coal")


def test_fairwind_is_a_celery_command_too(fleet):
    fleet.start_run("listed", rounds=1)
    fleet.wait_ended("listed")
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tasks", "fairwind", "run", "list", "--json"],
        env=fleet.local.env, cwd=fleet.local.folder, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == fleet.local.fairwind("run", "list", "--json").stdout
    assert {run["status"] for run in json.loads(done.stdout)} == {"ended"}


@pytest.mark.parametrize("policy", sorted(set(POLICIES) - {"fairwind", "random", "all"}))
def test_every_published_policy_can_run_in_production(fleet, policy):
    rounds = 1 if policy == "oracle" else 2  # it holds one an hour
    options = {"policy_option": "horizon_h=1"} if policy == "oracle" else {}
    fleet.start_run(
        f"by-{policy}", policy=policy, rounds=rounds, quorum=1, cohort=2, grams=1, **options
    )
    ended = fleet.wait_ended(f"by-{policy}")
    assert len(ended.closed) == rounds
    assert {client for closed in ended.closed for client in closed.cohort} <= {
        "north", "west", "odd",
    }  # fmt: skip


def test_a_policy_that_waits_says_so_and_its_parameters_are_checked(fleet):
    wrong = fleet.local.fairwind(
        "run", "start", "digits", "--rounds=1", "--policy=threshold", "--policy-option=below=3"
    )
    assert wrong.returncode == 1
    assert "takes no parameter 'below'" in wrong.stderr
    # Nobody's grid is as clean as that: north has 20, the cleanest.
    fleet.start_run(
        "cleaner",
        policy="threshold",
        policy_option="threshold_gco2eq_per_kwh=10",
        rounds=1,
        quorum=1,
    )
    fleet.wait(lambda: fleet.run("cleaner").waiting, "the policy to wait")
    assert "The policy threshold waits" in fleet.local.fairwind("status", "--run=cleaner").stdout
    fleet.local.fairwind("run", "stop", "cleaner")
    fleet.wait_ended("cleaner")
