"""Attacks on what is kept: whoever may write a ledger, and other users of the same machines."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from scheduler.federation.gram_check import check_grams
from tests.integration.fleet import CLI, Fleet
from tests.unit.scheduler.ledger.test_witness import cut, rewrite

RUN = "witnessed"


@pytest.fixture(scope="module")
def trained(fleet: Fleet) -> Fleet:
    fleet.start_run(RUN, rounds=2)
    fleet.wait_ended(RUN)
    return fleet


@pytest.fixture
def copy(trained: Fleet, tmp_path: Path) -> Path:
    """A ledger as a back-up has it: without the coordinator's own file of heads."""
    path = tmp_path / "ledger.sqlite"
    with (
        closing(sqlite3.connect(trained.home / "ledger.sqlite")) as source,
        closing(sqlite3.connect(path)) as target,
    ):
        source.backup(target)
    return path


def heads_of(fleet: Fleet, client: str) -> Path:
    (file,) = (fleet.local.folder / "sites" / client).rglob("heads/*.jsonl")
    return file


def verify(home: Path, *words: object) -> tuple[int, str]:
    done = fairwind(home, "ledger", "verify", *map(str, words))
    return done.returncode, done.stdout + done.stderr


def fairwind(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *CLI, *words],
        env={**os.environ, "FAIRWIND_HOME": str(home)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_ledger_is_the_one_whose_heads_its_sites_keep(trained, copy):
    for client in ("north", "west"):
        status, said = verify(copy.parent, "--heads", heads_of(trained, client))
        assert status == 0, said
        assert "They lead to the" in said
    status, said = verify(trained.home)
    assert status == 0, said


def test_grams_that_were_rewritten_with_all_hashes_are_found_by_a_sites_heads(trained, copy):
    (closed, *_) = trained.events("round.closed", RUN)
    grams = closed.payload.gco2eq
    rewrite(copy, closed.seq, f'"gco2eq":{grams}', f'"gco2eq":{grams / 2}')
    assert verify(copy.parent)[0] == 0, "the chain alone shows nothing"
    status, said = verify(copy.parent, "--heads", heads_of(trained, "north"))
    assert status == 1
    assert "altered after they were signed" in said
    found = re.search(r"Events? (\d+)(?: to (\d+))?:", said)
    assert found is not None
    assert int(found[1]) <= closed.seq <= int(found[2] or found[1])


def test_an_end_that_was_cut_off_is_found_by_a_sites_heads(trained, copy):
    planned = trained.events("round.planned", RUN)[-1]
    cut(copy, planned.seq - 1)
    assert verify(copy.parent)[0] == 0, "the chain alone shows nothing"
    status, said = verify(copy.parent, "--heads", heads_of(trained, "north"))
    assert status == 1
    assert f"vents {planned.seq}" in said or f"vent {planned.seq}" in said
    assert "missing: the end was cut off" in said


def test_other_users_of_the_machines_read_no_file_of_a_federation(trained):
    homes = [trained.home, *(trained.local.folder / "sites").glob("*/")]
    files = [path for home in homes for path in (home, *home.rglob("*"))]
    assert {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite.heads", "blobs"} <= {
        path.name for path in files
    }
    opened = [path for path in files if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    assert opened == []


def test_every_gram_of_a_federation_is_recomputed_from_its_receipts_and_readings(trained, copy):
    checks = [each for each in check_grams(trained.ledger.events()) if each.run == RUN]
    assert len(checks) >= 6  # two rounds of two sites, and their sums
    assert [each for each in checks if each.status != "same"] == []
    (accepted, *_) = trained.events("update.accepted", RUN)
    grams = accepted.payload.work.gco2eq
    rewrite(copy, accepted.seq, f'"gco2eq":{grams}', f'"gco2eq":{grams / 2}')
    done = fairwind(copy.parent, "ledger", "replay", "--run", RUN)
    assert done.returncode == 1
    assert f"{accepted.client}: " in done.stdout
    assert "from its energy and intensity" in done.stdout
