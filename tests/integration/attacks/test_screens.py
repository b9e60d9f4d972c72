"""A site that sends escapes: no screen of the coordinator obeys them, each shows them as text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import wall_now
from common.messages import Reason, Receipt
from scheduler.ledger.events import AssignmentFailed, UpdateLate
from tasks.local.federation import COORDINATOR
from tests.integration.attacks.waiting import start_waiting_for_odd
from tests.integration.fleet import Fleet
from tests.unit.common.test_visible import unseen_in

RUN = "steered"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\nError: all is well\r\u202egnp.exe\u200b\x9b31m"
SHOWN = r"\x1b[2J\x1b]0;owned\x07\nError: all is well\r\u202egnp.exe\u200b\x9b31m"


@pytest.fixture(scope="module")
def steered(fleet: Fleet) -> Iterator[Fleet]:
    """A run in which odd failed, with escapes in its reason and the names of its metrics."""
    go = start_waiting_for_odd(fleet, RUN)
    now = wall_now()
    receipt = Receipt(
        run=RUN, round=1, client="odd", attempt=0, outcome="failed", incarnation=ESCAPES[:20],
        started_at=now, ended_at=now, sent_at=now, metrics={ESCAPES[:40]: 0.5},
        reason=Reason(code="other", text=f"=cmd|' /C calc'!A0 {ESCAPES}"),
    )  # fmt: skip
    fleet.put("accept", "aggregation", fleet.signed(receipt, by=fleet.signer("odd")))
    fleet.wait_event(AssignmentFailed, RUN, client="odd")
    yield fleet
    go.touch()
    fleet.wait_event(UpdateLate, RUN, client="odd")
    go.unlink()


@pytest.mark.parametrize(
    "words",
    [
        ("status", RUN), ("run", "show", RUN), ("run", "show", RUN, "--sites"), ("run", "list"),
        ("events", "--run", RUN), ("ledger", "show"), ("clients",), ("plan",), ("check",),
        ("status", RUN, "--json"), ("run", "show", RUN, "--json"), ("clients", "--json"),
        ("events", "--run", RUN, "--json"), ("advice", "odd"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_no_verb_prints_what_steers_a_terminal(steered: Fleet, words: tuple[str, ...]) -> None:
    done = steered.local.fairwind(*words)
    assert "Traceback" not in done.stderr
    assert unseen_in(done.stdout + done.stderr, but="\n") == []
    assert not [line for line in done.stdout.splitlines() if line.startswith("Error: all")]


def test_the_reason_is_read_as_it_was_sent(steered: Fleet) -> None:
    said = steered.local.fairwind("run", "show", RUN).stdout
    assert SHOWN in said
    assert SHOWN in steered.local.fairwind("events", "--run", RUN).stdout


def test_the_logs_hold_it_as_text_too(steered: Fleet) -> None:
    log = steered.local.processes.log_path(COORDINATOR).read_text()
    assert unseen_in(log, but="\n\t") == []
    assert "\nError: all is well" not in log


def test_reports_and_exports_run_nothing(steered: Fleet, tmp_path: Path) -> None:
    done = steered.local.fairwind("report", RUN, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    done = steered.local.fairwind("run", "export", RUN, "--csv", str(tmp_path / "csv"))
    assert done.returncode == 0, done.stderr
    files = [path for path in tmp_path.rglob("*.*") if path.is_file()]
    assert len(files) > 4
    for path in files:
        assert unseen_in(path.read_text(), but="\n") == [], path
        if path.suffix == ".csv":
            with path.open(newline="") as file:
                cells = [cell for row in csv.reader(file) for cell in row]
            assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))], path
