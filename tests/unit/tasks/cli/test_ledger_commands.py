"""Reading commands wait for nobody and write nothing; `ledger verify` checks the snapshot, too."""

import json
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from common import settings
from common.clock import GridClock
from common.identity import Identity, canonical_json, load_or_make
from common.ledger_head import append_head
from scheduler.federation.opening import open_ledger
from scheduler.federation.snapshot import load
from scheduler.ledger import ledger as module
from scheduler.ledger.archive import Archive
from scheduler.ledger.event import Draft, chain_hash
from tasks.cli import fairwind
from tasks.roles import coordinator_key_file
from tests.unit.scheduler.ledger.test_witness import cut, head_of
from tests.unit.scheduler.report.golden import golden

READING = (
    ("status",), ("clients",), ("run", "list"), ("run", "show", "r"), ("report", "r"),
    ("ledger", "show"), ("ledger", "verify"),
)  # fmt: skip


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Write the golden run into a ledger file, with a snapshot after its last event."""
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # where a report is written
    settings.load.cache_clear()
    events = golden().events
    monkeypatch.setattr(module, "EVERY", len(events))
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", GridClock())
    for event in events:
        with ledger.transaction(at=event.at) as tx:
            tx.append(Draft(event.payload, event.run, event.round, event.client))
    ledger.close()
    yield tmp_path / "ledger.sqlite"
    settings.load.cache_clear()


def call(*words: str) -> Result:
    return CliRunner().invoke(fairwind, list(words))


@pytest.mark.parametrize(
    "words",
    [
        *READING, ("plan",), ("plan", "--horizon=24"), ("advice", "a"), ("ledger", "replay"),
        ("retire", "a"), ("run", "stop", "r"), ("run", "start", "digits", "--rounds=1"),
        ("simulate", "--from-ledger"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_home_that_is_misspelt_is_not_made(words, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path / "hme"))
    done = call(*words)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: There is no ledger at {tmp_path / 'hme'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_reading_commands_work_while_another_process_holds_the_lock(path, words):
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA journal_mode=WAL")
    holder.execute("BEGIN IMMEDIATE")
    done = call(*words)
    holder.close()
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_reading_commands_leave_the_ledger_and_its_snapshots_as_they_were(path, words):
    folder = path.with_name("ledger.sqlite.snapshots")
    kept = [path, *(file for file in folder.rglob("*") if file.is_file())]
    before = {file: file.read_bytes() for file in kept}
    assert call(*words).exit_code == 0
    assert {file: file.read_bytes() for file in kept} == before
    assert {file for file in folder.rglob("*") if file.is_file()} == set(kept[1:])


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_without_a_ledger_one_line_says_so(tmp_path, monkeypatch, words):
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    settings.load.cache_clear()
    done = call(*words)
    settings.load.cache_clear()
    assert done.exit_code == 1
    assert done.output.startswith("Error: There is no ledger at ")


def test_the_last_events_are_shown_in_order(path):
    every = json.loads(call("ledger", "show", "--json").output)
    assert json.loads(call("ledger", "show", "--last", "3", "--json").output) == every[-3:]
    of_run = [event for event in every if event["run"] == "r"]
    shown = json.loads(call("ledger", "show", "--run", "r", "--last", "99", "--json").output)
    assert shown == of_run
    assert len(call("ledger", "show", "--last", "2").output.splitlines()) == 2


def test_verify_says_that_the_snapshot_is_what_the_events_add_up_to(path):
    done = call("ledger", "verify")
    events = len(golden().events)
    assert f"{events} events, all as written" in done.output
    assert f"The snapshot of event {events} is what they add up to." in done.output
    body = json.loads(call("ledger", "verify", "--json").output)
    assert body["snapshot"] == {"seq": events, "fault": None}


def test_verify_refuses_an_event_that_is_sealed_well_and_means_nothing(path):
    with sqlite3.connect(path) as database:
        seq, head = database.execute("SELECT max(seq), hash FROM events").fetchone()
        at = database.execute("SELECT at FROM events WHERE seq = ?", (seq,)).fetchone()[0]
        row = (seq + 1, at, at, "run.sold", "r", 0, "", "{}")
        values = (*row, head, chain_hash(head, *row))
        database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    done = call("ledger", "verify")
    assert done.exit_code != 0
    assert f"Event {seq + 1} of the ledger is of kind 'run.sold'" in done.output


def test_verify_refuses_a_snapshot_with_figures_of_its_own(path):
    snapshot = next(path.with_name("ledger.sqlite.snapshots").glob("*.snapshot"))
    _, _, rest = snapshot.read_bytes().partition(b"\n")
    state = load(zlib.decompress(rest), Archive())
    state.runs["r"].totals.counted_gco2eq = 0.0
    snapshot.unlink()
    ledger = open_ledger(f"sqlite:///{path}", GridClock())
    ledger._snapshots.write(state)
    ledger.close()
    assert call("status").exit_code == 0
    done = call("ledger", "verify")
    assert done.exit_code == 1
    assert "its state is not what the events add up to" in done.output
    assert "Remove the folder of snapshots" in done.output


def test_a_discarded_snapshot_never_gets_into_what_a_command_prints(path):
    snapshot = next(path.with_name("ledger.sqlite.snapshots").glob("*.snapshot"))
    snapshot.write_bytes(b"no snapshot")
    code = "from tasks.cli import main; import sys; sys.argv[1:] = ['status', '--json']; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["run"]["id"] == "r"


def signed_heads(path: Path, *seqs: int) -> Path:
    """Make the coordinator's key, and return a site's file with heads that it signed."""
    identity = load_or_make(coordinator_key_file(path.parent))
    ledger = open_ledger(f"sqlite:///{path}", GridClock())
    file = path.parent / "site.jsonl"
    for seq in seqs:
        head = head_of(ledger, seq)
        signature = identity.sign(canonical_json(head.signed_text()))
        key = identity.public.text
        append_head(file, head.model_copy(update={"key": key, "signature": signature}))
    ledger.close()
    return file


def test_verify_compares_the_ledger_with_the_heads_of_a_site(path):
    file = signed_heads(path, 2, 5)
    done = call("ledger", "verify", "--heads", str(file))
    rest = len(golden().events) - 5
    assert (
        "They lead to the 2 heads that the coordinator signed, up to event 5; the " in done.output
    )
    assert f"{rest} events after it have none yet." in done.output
    body = json.loads(call("ledger", "verify", "--json", "--heads", str(file)).output)
    assert body["heads"] == {"compared": 2, "fault": None}
    cut(path, 3)
    for snapshot in path.with_name("ledger.sqlite.snapshots").glob("*.snapshot"):
        snapshot.unlink()
    assert call("ledger", "verify").exit_code == 0, "the chain alone shows nothing"
    done = call("ledger", "verify", "--heads", str(file))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: Events 4 to 5: missing: the end was cut off")
    done = call("ledger", "verify", "--json", "--heads", str(file))
    assert json.loads(done.stdout)["heads"]["fault"].startswith("Events 4 to 5")


def test_verify_without_the_private_key_needs_the_public_one_to_believe_a_head(path):
    file = signed_heads(path, 2)
    key_file = coordinator_key_file(path.parent)
    key = load_or_make(key_file).public.text
    key_file.unlink()
    assert call("ledger", "verify", "--heads", str(file), "--key", key).exit_code == 0
    other = Identity.make().public.text
    done = call("ledger", "verify", "--heads", str(file), "--key", other)
    assert done.exit_code == 1
    assert "not by the coordinator's key, so the file proves nothing" in done.stderr
