"""The federation as the ledger tells it: clients, runs and rounds, folded event by event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scheduler.accounting.book import Book
from scheduler.federation.client import Client
from scheduler.federation.fold import HANDLERS
from scheduler.federation.round import AssignmentState
from scheduler.federation.run import Run
from scheduler.federation.zone_readings import ZoneReadings
from scheduler.ledger.event import GENESIS, Event

__all__ = ["Federation", "Run"]


@dataclass(slots=True)
class Federation:
    """Everything the events so far say. Changed by `apply` alone.

    `grid` has what was told of each zone. `signals` says of each zone in which a signal ever fell
    back which one was expected, which one speaks (`None`: none), since when and why.
    """

    seq: int = 0
    head: str = GENESIS
    clients: dict[str, Client] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    book: Book = field(default_factory=Book)
    grid: dict[str, ZoneReadings] = field(default_factory=dict)
    signals: dict[str, dict[str, Any]] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Fold one event in. Kinds this version does not know change nothing."""
        self.seq, self.head = event.seq, event.hash
        handler = HANDLERS.get(event.kind)
        if handler is not None:
            handler(self, event)

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
