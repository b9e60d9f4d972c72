"""`status --watch` and `events --follow`: real processes that show what is appended meanwhile."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from common.clock import GridClock
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, SignalRecovered
from tests.e2e.terminal import Terminal


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FederationLedger:
    """The ledger that a command reads, with one client. Nothing listens where Redis would be."""
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path))
    monkeypatch.setenv("FAIRWIND_REDIS_URL", "redis://127.0.0.1:9/0")
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", GridClock())
    append(opened, Draft(ClientEnrolled(zone="FR"), client="lyon"))
    return opened


def append(ledger: FederationLedger, *drafts: Draft) -> None:
    with ledger.transaction() as tx:
        tx.append(*drafts)


def ended_by_ctrl_c(command: Terminal) -> int:
    command.process.send_signal(signal.SIGINT)
    return command.wait()


def test_watch_shows_what_has_changed_until_ctrl_c(tmp_path: Path, ledger: FederationLedger):
    with Terminal(tmp_path, "status", "--watch", is_tty=True) as watch:
        watch.wait_until_said(r"lyon +FR(.*\n)*.*Ctrl-C ends")
        assert "oslo" not in watch.said
        append(ledger, Draft(ClientEnrolled(zone="NO-NO1"), client="oslo"))
        watch.wait_until_said(r"oslo +NO-NO1(.*\n)*.*Ctrl-C ends")
        assert watch.said.count("Ctrl-C ends") == 2
        assert ended_by_ctrl_c(watch) == 0
    assert "Traceback" not in watch.said
    assert "Aborted" not in watch.said


def test_follow_prints_what_passes_its_filter_until_ctrl_c(
    tmp_path: Path, ledger: FederationLedger
):
    with Terminal(tmp_path, "events", "--follow", "--kind", "client.*") as events:
        events.wait_until_said(r"client.enrolled +lyon +enrolled in FR\n")
        append(
            ledger,
            Draft(SignalRecovered(zone="FR", active_source="neso")),
            Draft(ClientEnrolled(zone="NO-NO1"), client="oslo"),
        )
        events.wait_until_said(r"client.enrolled +oslo +enrolled in NO-NO1\n")
        assert ended_by_ctrl_c(events) == 0
    assert len(events.said.splitlines()) == 2
