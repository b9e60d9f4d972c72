"""The coordinator's disk is full for updates, though not for the ledger: no site is blamed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduler.federation.run import Blocked
from scheduler.ledger.events import (
    AssignmentGivenUp,
    AssignmentReissued,
    ClientJoined,
    RoundPlanned,
    RunBlocked,
)
from scheduler.ledger.run_spec import RunSpec
from tests.integration.fleet import Fleet, assert_accounted_for, running_fleet

ZONES = {"north": "NO-NO1", "west": "FR"}
BREAKABLE = "tests.integration.breakable:workload"


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Put two megabytes of their own below a folder."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("disk") / "federation"
    settings = {
        "FAIRWIND_STATIC_GCO2EQ_PER_KWH": '{"NO-NO1": 20, "FR": 50}',
        "FAIRWIND_WORKLOADS": f"digits,{BREAKABLE}",
    }
    with (
        small_disk(folder / "home" / "blobs"),
        running_fleet(folder, ZONES, settings=settings) as started,
    ):
        yield started


def fill(folder: Path) -> Path:
    """Fill a disk to the last byte, and return the file that does."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096) == 4096:
                pass
        except OSError:
            os.fsync(file.fileno())
    return filler


def test_a_full_disk_blocks_the_run_names_the_disk_and_blames_no_site(fleet: Fleet) -> None:
    held: Path = fleet.local.folder / "held"
    held.touch()
    fleet.begin_run(RunSpec(id="full", workload=BREAKABLE, policy="all", rounds=2))
    fleet.wait_event(RoundPlanned, "full")
    filler = fill(fleet.home / "blobs")
    held.unlink()

    def blocked() -> Blocked | None:
        return fleet.state().runs["full"].blocked

    found = fleet.local.wait_for(blocked, 60, "the run to be blocked")
    assert found.step == "receive"
    assert found.text.startswith(f"The disk of {fleet.home / 'blobs'}")
    assert "so updates cannot be stored. Free at least" in found.text
    printed = fleet.local.fairwind("status", "--run=full").stdout
    assert "full is blocked, as receiving its updates fails: The disk of " in printed
    assert "so updates cannot be stored. Free at least" in printed, printed
    # Several attempts that cannot be stored, more than an assignment has.
    fleet.wait(lambda: len(fleet.payloads(AssignmentReissued, "full")) >= 6, "six attempts")
    assert {p.code for p in fleet.payloads(AssignmentReissued, "full")} == {"coordinator_failed"}
    assert fleet.payloads(AssignmentGivenUp, "full") == []
    assert len(fleet.payloads(RunBlocked, "full")) == 1
    assert fleet.state().runs["full"].problems == {}
    filler.unlink()
    ended = fleet.wait_ended("full")
    assert (ended.end_reason, len(ended.closed)) == ("rounds", 2)
    assert [closed.cohort for closed in ended.closed] == [("north", "west")] * 2
    assert len(fleet.payloads(ClientJoined)) == len(ZONES)
    assert_accounted_for(fleet, "full")
