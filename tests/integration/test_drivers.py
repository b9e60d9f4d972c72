"""Processes killed one by one: every screen says which is missing, and what starts it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from common.settings import Settings
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunStopRequested
from scheduler.ledger.run_spec import RunSpec
from tasks.local.federation import BEAT, COORDINATOR
from tasks.monitor.source import LedgerSource
from tests.integration.fleet import Fleet, running_fleet

pytestmark = pytest.mark.long

ZONES = {"north": "NO-NO1", "west": "FR"}
SETTINGS = {"FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50}'}

START_COORDINATOR = "Start: celery -A tasks worker -Q coordinator,aggregation"
START_BEAT = "Start: celery -A tasks beat"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One federation with a run that waits for a second site, as each test leaves it."""
    folder = tmp_path_factory.mktemp("drivers") / "federation"
    with running_fleet(folder, ZONES, settings=SETTINGS) as started:
        yield started


@pytest.fixture
def run(fleet: Fleet) -> Iterator[str]:
    """A run that goes on for as long as a test lasts."""
    run = f"run-{len(fleet.state().runs)}"
    fleet.begin_run(RunSpec(id=run, workload="digits", policy="all", hours=1000))
    fleet.wait(lambda: fleet.run(run).version, "the first version")
    yield run
    with fleet.ledger.transaction() as tx:
        tx.append(Draft(RunStopRequested(), run=run))


def status(fleet: Fleet) -> str:
    done = fleet.local.fairwind("status")
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(fleet: Fleet) -> dict[str, list[str]]:
    """Return what `check` finds, by level."""
    found = json.loads(fleet.local.fairwind("check", "--json").stdout)
    return {
        level: [each["text"] for each in found if each["level"] == level]
        for level in ("ok", "warning", "error")
    }


def page(fleet: Fleet) -> dict[str, Any]:
    """Return what the page shows in its head."""
    ours = {
        "home": fleet.home,
        "redis_url": fleet.local.redis_url,
        "silent_after_s": float(fleet.local.env["FAIRWIND_SILENT_AFTER_S"]),
    }
    source = LedgerSource(Settings.model_validate(ours))
    try:
        return dict(source.load_snapshot(None).core)
    finally:
        source.close()


def wait_level(fleet: Fleet, level: str) -> None:
    fleet.wait(lambda: page(fleet)["drivers"]["level"] == level, f"drivers that are {level}")


def waiting_tasks(fleet: Fleet) -> Counter[str]:
    return Counter(
        json.loads(m)["headers"]["task"] for m in fleet.redis.lrange("coordinator", 0, -1)
    )


def test_all_is_well_while_all_run(fleet: Fleet, run: str) -> None:
    wait_level(fleet, "running")
    assert "coordinator running, beat running, Redis answers" in status(fleet)
    assert page(fleet)["explanation"]["code"] in {"training", "aggregating", "about_to_start"}


def test_a_beat_that_was_killed_is_missed(fleet: Fleet, run: str) -> None:
    fleet.local.processes.kill(BEAT)
    wait_level(fleet, "missing")
    assert START_BEAT in status(fleet)
    found = check(fleet)
    assert {"Coordinator is running.", "Redis answers and takes writes."} <= set(found["ok"])
    (warning,) = [text for text in found["warning"] if "Beat" in text]
    assert "no round starts by itself" in warning
    assert START_BEAT in warning
    fleet.local.start_beat()
    wait_level(fleet, "running")


def test_a_coordinator_that_was_killed_is_missed_and_no_ticks_pile_up(
    fleet: Fleet, run: str
) -> None:
    fleet.kill_coordinator()
    wait_level(fleet, "missing")
    seen = page(fleet)
    assert seen["explanation"]["code"] == "coordinator_missing"
    assert seen["verdict"].endswith(START_COORDINATOR)
    assert "so nothing is planned, received or aggregated" in status(fleet)
    (warning,) = [text for text in check(fleet)["warning"] if "coordinator" in text]
    assert START_COORDINATOR in warning
    # A tick was due every 0.5 s, and it takes 3 s to be missed.
    assert waiting_tasks(fleet)["tick"] == 1
    assert fleet.local.processes.alive(BEAT)
    fleet.local.start_coordinator()
    wait_level(fleet, "running")


def test_a_child_that_hangs_is_no_coordinator_that_runs(fleet: Fleet, run: str) -> None:
    (child,) = psutil.Process(fleet.local.processes.pid(COORDINATOR)).children()
    child.suspend()
    try:
        fleet.wait(lambda: page(fleet)["drivers"]["each"][0]["held_up_by"], "a task that hangs")
        assert re.search(r"The coordinator has been at its task \w+ for", status(fleet))
        (warning,) = [text for text in check(fleet)["warning"] if "coordinator" in text]
        assert "If it does not end, look into its log and restart it." in warning
    finally:
        child.resume()
    fleet.wait(lambda: not page(fleet)["drivers"]["each"][0]["held_up_by"], "the task to end")


def test_a_site_that_was_killed_is_named_with_the_command_that_starts_it(
    fleet: Fleet, run: str
) -> None:
    fleet.kill_site("west")
    fleet.wait(lambda: not fleet.state().clients["west"].alive, "west to be silent")
    sentence = "west: its worker is not running"
    fleet.wait(lambda: sentence in status(fleet), "a verdict that names west")
    assert "Start: celery -A tasks worker -Q client.west" in status(fleet)
    assert page(fleet)["explanation"]["blockers"]["silent"] == 1
    assert "its worker is not running; start:" in fleet.local.fairwind("clients").stdout
    assert "its worker is not running" in fleet.local.fairwind("plan").stdout
    fleet.start_site("west")


def test_without_redis_status_still_prints(fleet: Fleet, run: str) -> None:
    assert fleet.local.redis is not None
    fleet.local.redis.kill()
    try:
        assert page(fleet)["drivers"]["level"] == "unusable"
        assert page(fleet)["explanation"]["code"] == "redis_unusable"
        out = status(fleet)
        assert "does not answer" in out
        assert "accuracy" in out
    finally:
        fleet.local.redis.restart()
    wait_level(fleet, "running")
