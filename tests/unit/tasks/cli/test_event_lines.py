"""Lines of the ledger, as `fairwind up` prints them: one for each event of interest."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.clock import GridClock
from scheduler.federation.opening import FederationLedger, open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientJoined,
    ClientSilent,
    GateChanged,
    Payload,
    RoundPlanned,
    RunBlocked,
    RunOpened,
    RunPaused,
    RunResumed,
    RunStarted,
    RunUnblocked,
)
from scheduler.ledger.events.gate import Code, State
from scheduler.ledger.run_spec import RunSpec
from tasks.cli.event_lines import EventLines

NOON = datetime(2026, 7, 12, 12, 0, 5, tzinfo=UTC)
VERSION = "0" * 64


class Printed:
    """A ledger, and the lines of what is appended to it."""

    def __init__(self, ledger: FederationLedger) -> None:
        self.ledger = ledger
        self.lines = EventLines()

    def line(self, payload: Payload, *, run: str = "", round_: int = 0, client: str = "") -> str:
        before = self.ledger.latest_seq()
        with self.ledger.transaction(at=NOON) as tx:
            tx.append(Draft(payload, run=run, round=round_, client=client))
        (event,) = self.ledger.events(after=before)
        return self.lines.line(event, self.ledger.state()) or ""


@pytest.fixture
def printed(tmp_path: Path) -> Printed:
    return Printed(open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", GridClock()))


def gate(state: State, intensity: float) -> GateChanged:
    numbers = {
        "intensity_gco2eq_per_kwh": intensity,
        "threshold_gco2eq_per_kwh": 200.0,
        "ceiling_gco2eq_per_kwh": 1000.0,
    }
    reason: Code = "below_threshold" if state == "open" else "above_threshold"
    return GateChanged(state=state, since=NOON, reason=reason, numbers=numbers)


def test_lines_about_a_client(printed: Printed) -> None:
    at = "Sun 12:00:05  lyon          "
    assert printed.line(ClientEnrolled(zone="FR"), client="lyon") == f"{at}enrolled in FR"
    joined = ClientJoined(incarnation="a", host="h", pid=1)
    assert printed.line(joined, client="lyon") == f"{at}ready: process 1 on h"
    silent = f"{at}its worker is not running"
    assert printed.line(ClientSilent(), client="lyon") == silent


def test_a_gate_has_a_line_when_its_state_changes_and_not_before(printed: Printed) -> None:
    printed.line(ClientEnrolled(zone="FR"), client="lyon")
    opened = printed.line(gate("open", 56.0), client="lyon")
    assert opened.endswith("gate open: 56 gCO2eq/kWh is at or below the threshold of 200")
    assert printed.line(gate("open", 57.0), client="lyon") == ""
    assert "gate closed: 300 gCO2eq/kWh" in printed.line(gate("closed", 300.0), client="lyon")


def test_lines_about_a_run(printed: Printed) -> None:
    printed.line(ClientEnrolled(zone="FR"), client="lyon")
    spec = RunSpec(id="digits-1", workload="digits", rounds=5)
    at = "Sun 12:00:05  digits-1      "
    started = printed.line(RunStarted(spec=spec), run="digits-1")
    assert started == f"{at}run started: digits, 5 rounds, policy {spec.policy}"
    assert printed.line(
        RunBlocked(step="open", text="There is no module."), run="digits-1"
    ) == f"{at}blocked: There is no module."  # fmt: skip
    assert printed.line(RunUnblocked(), run="digits-1") == f"{at}goes on"
    assert "paused" in printed.line(RunPaused(), run="digits-1")
    assert printed.line(RunResumed(), run="digits-1") == f"{at}goes on"
    opened = RunOpened(version=VERSION, num_params=3, scored_here=True)
    assert printed.line(opened, run="digits-1") == ""
    planned = RoundPlanned(
        base_version=VERSION, cohort=("lyon",), target=1, deadline_s=60, valid_until=NOON,
    )  # fmt: skip
    line = printed.line(planned, run="digits-1", round_=1)
    assert line == f"{at}round 1/5 planned: lyon"
