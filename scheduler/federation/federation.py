"""The federation as the ledger tells it: clients, runs and rounds, folded event by event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from scheduler.accounting.book import Book
from scheduler.federation.client import Client
from scheduler.federation.round import AssignmentState
from scheduler.federation.run import Run
from scheduler.federation.zone_readings import ZoneReadings
from scheduler.ledger.event import GENESIS

__all__ = ["Federation", "Run", "SignalState"]


@dataclass(frozen=True, slots=True)
class SignalState:
    """Which carbon source a zone's readings come from.

    Attributes:
        expected: The source that the settings name first.
        active_source: The source in use; `None` if no source has a reading.
        since: Since when, grid clock.
        why: What is wrong with the expected one; empty if it is in use.
    """

    expected: str
    active_source: str | None
    since: datetime
    why: str = ""


@dataclass(slots=True)
class Federation:
    """Everything the events so far say. Changed by `fold.apply` alone.

    `grid` has the readings of each zone. `signals` has the active source of each zone in which a
    signal ever fell back.
    """

    seq: int = 0
    head: str = GENESIS
    clients: dict[str, Client] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    book: Book = field(default_factory=Book)
    grid: dict[str, ZoneReadings] = field(default_factory=dict)
    signals: dict[str, SignalState] = field(default_factory=dict)

    def active_runs(self) -> list[Run]:
        """Return the runs that are not over, the one that has waited longest for a plan first."""
        active = [run for run in self.runs.values() if run.ended_at is None]
        return sorted(active, key=lambda run: run.last_planned_seq)

    def open_assignments(self) -> list[AssignmentState]:
        """Return the open assignments of all runs; a client has one at most."""
        return [
            part
            for run in self.active_runs()
            if run.open_round is not None
            for part in run.open_round.open_assignments()
        ]

    def working_for(self, client: str) -> Run | None:
        """Return the run for which a client has an open assignment, if it has one."""
        for run in self.active_runs():
            part = run.open_round.cohort.get(client) if run.open_round else None
            if part is not None and part.status == "open":
                return run
        return None
