"""A site's administrator sees what it does, pauses it and limits it, from the site's own files."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from click.testing import CliRunner

from common import settings
from common.clock import wall_now
from common.files import file_sha256
from scheduler.ledger.events import (
    AssignmentDeclined,
    AssignmentFailed,
    ClientPaused,
    ClientResumed,
    RoundClosed,
    RoundPlanned,
    UpdateAccepted,
)
from tasks.cli import fairwind
from tasks.local.federation import site_name
from tests.integration.conftest import ODD_WORKLOADS
from tests.integration.fleet import Failpoint, Fleet, running_fleet

WAITS = "odd_workloads:waits"
CLOSED_TODAY = f"{(wall_now().hour + 12) % 24:02}:00-{(wall_now().hour + 13) % 24:02}:00"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Sites of which night is closed, thrifty may send 1 kB a day, and hasty trains for 1 s."""
    folder = tmp_path_factory.mktemp("sites") / "federation"
    folder.mkdir()
    (folder / "odd_workloads.py").write_text(ODD_WORKLOADS.read_text())
    zones = {"north": "NO-NO1", "west": "FR", "night": "FR", "thrifty": "FR", "hasty": "FR"}
    with running_fleet(
        folder,
        zones,
        settings={
            "FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50}',
            "FAIRWIND_WORKLOADS": f"digits,{WAITS}",
        },
        sites={
            "north": {"FAIRWIND_NICE": "3", "FAIRWIND_GPU": "none"},
            "night": {"FAIRWIND_SITE_WINDOWS": CLOSED_TODAY},
            "thrifty": {"FAIRWIND_SITE_MAX_MB_PER_DAY": "0.001"},
            "hasty": {"FAIRWIND_SITE_MAX_TRAINING_S": "1", "ODD": "1"},
        },
    ) as started:
        yield started


def site(fleet: Fleet, client: str, *args: str) -> str:
    """Run a command of a site's administrator, which reaches nothing but the site's folder."""
    env = {"FAIRWIND_HOME": str(home(fleet, client)), "FAIRWIND_REDIS_URL": "redis://127.0.0.1:9/0"}
    settings.load.cache_clear()
    done = CliRunner(env=env).invoke(fairwind, ["site", *args])
    assert done.exit_code == 0, done.output
    return done.stdout


def home(fleet: Fleet, client: str) -> Path:
    return fleet.local.folder / "sites" / client


def status(fleet: Fleet, client: str) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(site(fleet, client, "status", "--json"))
    return seen


def cohorts(fleet: Fleet, run: str) -> list[set[str]]:
    return [set(planned.cohort) for planned in fleet.payloads(RoundPlanned, run)]


def test_what_a_site_did_is_what_the_ledger_says(sites):
    sites.start_run("plain", rounds=3, quorum=2)
    sites.wait_ended("plain")
    seen = status(sites, "north")
    accepted = [
        event.payload
        for event in sites.events("update.accepted", "plain")
        if event.client == "north" and isinstance(event.payload, UpdateAccepted)
    ]
    assert seen["state"] == "idle"
    assert seen["today"]["trained"] == seen["month"]["trained"] == len(accepted) == 3
    assert seen["today"]["sent_nbytes"] == sum(u.admission.nbytes for u in accepted)
    spent_wh = sum(u.work.energy.energy_wh for u in accepted if u.work.energy)
    assert seen["today"]["energy_wh"] == pytest.approx(spent_wh)
    assert seen["today"]["gco2eq"] == pytest.approx(spent_wh * 20 / 1000)
    rows = list(csv.DictReader(io.StringIO(site(sites, "north", "history", "--csv"))))
    assert [(row["run"], row["round"], row["outcome"]) for row in rows] == [
        ("plain", str(n), "trained") for n in (1, 2, 3)
    ]
    assert json.loads(site(sites, "north", "history", "--json"))[0]["energy_wh"] > 0


def test_a_worker_logs_one_line_a_task_and_none_of_celerys(sites):
    lines = sites.log(site_name("north")).splitlines()
    (third,) = [line for line in lines if " plain round 3" in line]
    used = r"trained plain round 3: [\d.]+ \w*Wh, [\d.]+ \w*gCO2eq, sent 39 kB, [\d.]+ s$"
    assert re.search(used, third), third
    assert [line for line in lines if "Task train[" in line or "mingle" in line] == []
    declined = rf"declined plain round 1: outside its hours {CLOSED_TODAY} UTC; it is \d\d:\d\d$"
    assert re.search(declined, sites.log(site_name("night")), re.MULTILINE)


def test_the_coordinator_logs_what_operations_promises(sites):
    log = sites.log("coordinator")
    for kind in ("client.joined", "run.opened", "round.planned", "round.evaluated", "run.ended"):
        assert f" {kind} " in log, kind
    (third,) = [line for line in log.splitlines() if " round.closed " in line and "round=3" in line]
    assert re.search(r"emitted='[\d.]+ \w*gCO2eq' energy='[\d.]+ \w*Wh'.* run=plain ", third), third


def test_the_last_update_is_shown_with_its_hash_and_nothing_but_tensors(sites):
    shown = json.loads(site(sites, "north", "egress", "--json"))
    counted = sites.run("plain").closed[-1].manifest
    assert shown["sha256"] in [line.sha256 for line in counted if line.client == "north"]
    path = Path(shown["path"])
    assert shown["sha256"] == file_sha256(path)
    assert shown["sent_at"] is not None
    tensors = safetensors.torch.load_file(path)
    assert {each["name"]: tuple(each["shape"]) for each in shown["tensors"]} == {
        name: tuple(tensor.shape) for name, tensor in tensors.items()
    }
    assert shown["header_nbytes"] + sum(t["nbytes"] for t in shown["tensors"]) == shown["nbytes"]
    text = site(sites, "north", "egress")
    assert shown["sha256"] in text
    assert '"num_examples"' in text


def test_a_site_that_declined_until_a_time_is_not_invited_before(sites):
    assert ["night" in cohort for cohort in cohorts(sites, "plain")] == [True, False, False]
    assert ["thrifty" in cohort for cohort in cohorts(sites, "plain")] == [True, False, False]
    codes = Counter(
        (event.client, event.payload.work.reason.code)
        for event in sites.events("assignment.declined", "plain")
        if isinstance(event.payload, AssignmentDeclined) and event.payload.work.reason
    )
    assert codes == {("night", "outside_site_windows"): 1, ("thrifty", "over_daily_mb"): 1}
    seen = status(sites, "night")
    assert seen["today"]["reasons"] == {"outside_site_windows": 1}
    assert f"outside its hours until {CLOSED_TODAY[:5]} UTC" in seen["sentence"]
    assert status(sites, "thrifty")["today"]["sent_nbytes"] == 0
    assert "over its limit of 0.001 MB a day" in site(sites, "thrifty", "history")


def test_limits_are_shown_as_the_worker_was_started_with_them(sites):
    shown = status(sites, "north")["limits"]
    assert (shown["nice"], shown["gpu"], shown["threads"]) == (3, "none", 1)
    assert "1 threads, nice 3" not in site(sites, "north", "status")
    assert "1 thread, nice 3" in site(sites, "north", "status")
    assert "0.001 MB a day at most" in site(sites, "thrifty", "status")
    assert "1 s at most" in site(sites, "hasty", "status")


def test_a_paused_site_gets_no_work_until_it_is_resumed_also_after_a_restart(sites):
    assert "is paused and declines new work" in site(sites, "west", "pause")
    sites.wait(lambda: sites.state().clients["west"].paused, "the pause of west")
    sites.restart("west")
    assert status(sites, "west")["state"] == "paused"
    sites.start_run("paused", rounds=2, quorum=1)
    sites.wait_ended("paused")
    assert all("west" not in cohort for cohort in cohorts(sites, "paused"))
    (row,) = [
        row
        for row in json.loads(sites.local.fairwind("clients", "--json").stdout)
        if row["client"] == "west"
    ]
    assert (row["state"], row["blocker"]) == ("paused", "paused")
    assert row["why"].endswith("to go on, at the site: fairwind site resume")
    assert "west" not in sites.run("paused").problems
    assert site(sites, "west", "resume") == "west accepts work again.\n"
    sites.wait(lambda: not sites.state().clients["west"].paused, "the end of the pause")
    sites.start_run("resumed", rounds=1, quorum=2)
    sites.wait_ended("resumed")
    assert "west" in cohorts(sites, "resumed")[0]
    kinds = [type(e.payload) for e in sites.ledger.events() if e.client == "west"]
    assert kinds.count(ClientPaused) == kinds.count(ClientResumed) == 1


def test_a_training_beyond_the_longest_time_fails_once_and_is_not_tried_again(sites):
    sites.start_run("endless", WAITS, rounds=3, quorum=2)
    failed = sites.wait_event(AssignmentFailed, "endless")
    assert failed.work.reason is not None
    assert failed.work.reason.code == "too_long"
    assert failed.work.energy is not None
    sites.wait_ended("endless")
    assert ["hasty" in cohort for cohort in cohorts(sites, "endless")] == [True, False, False]
    assert len(sites.payloads(AssignmentFailed, "endless")) == 1
    assert len(sites.payloads(RoundClosed, "endless")) == 3
    log = sites.log(site_name("hasty"))
    assert "failed endless round 1: stopped after 1 s, the longest training" in log
    assert "Traceback" not in log


def test_a_killed_worker_leaves_a_journal_that_counts_its_work_once(sites, tmp_path):
    stop = Failpoint("site.kept", tmp_path)
    before = status(sites, "north")["today"]
    sites.restart("north", stop.env)
    sites.start_run("killed", rounds=1, quorum=3)
    sites.wait(stop.reached, "north to keep its update")
    sites.kill_site("north")
    seen = status(sites, "north")
    assert seen["state"] == "not running"
    assert seen["sentence"].startswith("The worker of north is not running. Start it: celery")
    assert seen["today"]["unfinished"] == 1
    sites.start_site("north")
    sites.wait_ended("killed")
    sites.wait(lambda: status(sites, "north")["today"]["unfinished"] == 0, "the answer")
    after = status(sites, "north")["today"]
    assert after["trained"] == before["trained"] + 1


def test_a_site_in_work_says_on_what(sites, tmp_path):
    stop = Failpoint("site.training", tmp_path)
    sites.restart("west", stop.env)
    sites.start_run("watched", rounds=1, quorum=2)
    sites.wait(stop.reached, "west to train")
    seen = status(sites, "west")
    assert seen["state"] == "training"
    assert (seen["task"]["run"], seen["task"]["round"]) == ("watched", 1)
    assert "works on watched round 1 since" in seen["sentence"]
    assert "watched round 1, which is in work, is finished first" in site(sites, "west", "pause")
    stop.release()
    sites.wait_ended("watched")
    assert "west" in sites.run("watched").closed[0].cohort
    site(sites, "west", "resume")


def test_the_commands_of_a_site_load_no_torch_no_database_and_no_scheduler(sites):
    look = (
        "import sys; from click.testing import CliRunner; from tasks.cli import fairwind;"
        "done = CliRunner().invoke(fairwind, ['site', 'status']);"
        "assert done.exit_code == 0, done.output; print(*sys.modules)"
    )
    env = {**sites.local.env, "FAIRWIND_HOME": str(home(sites, "north"))}
    done = subprocess.run(
        [sys.executable, "-c", look], env=env, capture_output=True, text=True, check=True
    )
    roots = {name.split(".")[0] for name in done.stdout.split()}
    assert roots & {"torch", "sqlalchemy", "scheduler", "models", "celery", "redis"} == set()
