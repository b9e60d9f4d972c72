"""A site's worker that stood still, as on a laptop that slept, and lost its place to another."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.ledger.events import UpdateAccepted, UpdateConflicting
from tasks.local.federation import site_name
from tasks.roles import site_key_file
from tests.integration.fleet import (
    PATIENCE_S,
    SITE_WORKER,
    Failpoint,
    Fleet,
    assert_accounted_for,
    running_fleet,
)

SECOND = "second-north"
"""The process that takes the place of north's first worker."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("place") / "federation"
    with running_fleet(folder, {"north": "NO-NO1", "west": "FR"}) as started:
        yield started


def signal_all(fleet: Fleet, number: signal.Signals) -> None:
    """Send a signal to north's first worker and its child, which are a group of processes."""
    os.killpg(fleet.local.processes.pid(site_name("north")), number)


def take_place(fleet: Fleet, home: Path) -> None:
    """Start a second worker of north, once the first one is silent."""
    before = fleet.state().clients["north"].incarnation
    fleet.wait(lambda: not fleet.state().clients["north"].alive, "north to be silent")
    settings = fleet.local.site_settings("north")
    key = site_key_file(Path(settings["FAIRWIND_HOME"]), "north")
    mine = site_key_file(home, "north")
    if mine != key:  # a copy of the site, with its identity
        mine.parent.mkdir(parents=True)
        shutil.copy2(key, mine)
    env = {**settings, "FAIRWIND_HOME": str(home)}
    fleet.local._start_celery(SECOND, *SITE_WORKER[4:], env=env)
    fleet.wait(
        lambda: fleet.state().clients["north"].incarnation != before, "the second worker of north"
    )


def assert_first_ends(fleet: Fleet, run: str, *, log_from: int) -> None:
    """Wait for the end of the first worker: with one line, and nothing that it sent."""
    name, until = site_name("north"), time.monotonic() + PATIENCE_S
    while fleet.local.processes.alive(name) and time.monotonic() < until:
        time.sleep(0.1)
    assert fleet.local.processes.ended() == {name: 2}
    log = fleet.log(name)[log_from:]
    assert "Traceback" not in log
    assert f"trained {run} round" not in log
    (line,) = [line for line in log.splitlines() if line.startswith("fairwind: ")]
    assert line.startswith("fairwind: Another worker (process ")
    assert "has taken the place of this one as the worker of north" in line
    fleet.local.processes.kill(name)


@pytest.mark.parametrize("home", ["the same home", "another home"])
def test_a_worker_whose_place_was_taken_ends_and_what_it_had_in_hand_is_not_sent(
    home, fleet, tmp_path
):
    run = home.replace(" ", "-")
    failpoint = Failpoint("site.training", tmp_path)
    fleet.restart("north", failpoint.env)
    log_from = len(fleet.log(site_name("north")))
    fleet.start_run(run, rounds=2, quorum=2)
    fleet.wait(failpoint.reached, "north to train")
    signal_all(fleet, signal.SIGSTOP)
    same = fleet.local.folder / "sites" / "north"
    take_place(fleet, same if home == "the same home" else tmp_path / "home")
    fleet.wait_event(UpdateAccepted, run, client="north")
    failpoint.release()
    signal_all(fleet, signal.SIGCONT)
    assert_first_ends(fleet, run, log_from=log_from)
    fleet.wait_ended(run)
    assert_accounted_for(fleet, run)
    assert [closed.cohort for closed in fleet.run(run).closed] == [("north", "west")] * 2
    assert fleet.payloads(UpdateConflicting, run) == []
    # The second serves north from now on, and says so on disk as well.
    fleet.start_run(f"{run}-after", rounds=1, quorum=2)
    fleet.wait_ended(f"{run}-after")
    fleet.local.processes.kill(SECOND)
    fleet.start_site("north")
