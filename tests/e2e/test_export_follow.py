"""`run export --follow` in a process of its own: it backfills, follows, and ends with the run."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from common.clock import GridClock
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.ledger.event import Draft, Event
from tests.e2e.terminal import Terminal
from tests.unit.scheduler.export.exported import played


def append(ledger: FederationLedger, events: list[Event]) -> None:
    for event in events:
        with ledger.transaction(at=event.at) as tx:
            tx.append(Draft(event.payload, event.run, event.round, event.client))


def num_rounds(folder: Path) -> int:
    with (folder / "rounds.csv").open(newline="") as file:
        return sum(row["round"] != "0" for row in csv.DictReader(file))


def test_export_follows_a_run_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:9/0")
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", GridClock())
    events, out = played().history.events, tmp_path / "out"
    kinds = [event.kind for event in events]
    first = kinds.index("round.closed") + 1
    append(ledger, events[:first])
    with Terminal(tmp_path, "run", "export", "r", "--csv", str(out), "--follow") as export:
        until = time.monotonic() + 60
        while not (out / "rounds.csv").exists():
            assert export.process.poll() is None, export.said
            assert time.monotonic() < until, export.said
            time.sleep(0.05)
        assert num_rounds(out) == 1
        append(ledger, events[first:])  # nobody holds the ledger up
        assert export.wait() == 0
    assert num_rounds(out) == 2
    assert export.said.startswith(f"Exported r to {out}: rounds.csv (3 rows), sites.csv (6 rows)")
