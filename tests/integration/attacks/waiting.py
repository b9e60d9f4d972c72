"""A run that waits for one site, so that what is attacked is open."""

from __future__ import annotations

from pathlib import Path

from scheduler.ledger.events import UpdateAccepted
from tests.integration.fleet import Fleet


def start_waiting_for_odd(fleet: Fleet, run: str) -> Path:
    """Start a run whose only round waits for odd; return the file that lets odd go on."""
    fleet.start_run(run, "odd_workloads:waits", rounds=1)
    for client in ("north", "west"):
        fleet.wait_event(UpdateAccepted, run, client=client)
    return fleet.local.folder / "go"
