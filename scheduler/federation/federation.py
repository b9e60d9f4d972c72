"""The federation as its events left it: clients, runs and rounds, folded one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from scheduler.accounting.book import Book
from scheduler.federation.client import Client
from scheduler.federation.round import AssignmentState
from scheduler.federation.run import Run
from scheduler.federation.zone_readings import ZoneReadings
from scheduler.ledger.archive import Archive
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
    signal ever fell back. `archive` has what is old; `active` names the runs that are not over.
    With `has_redis_users`, a client was ever enrolled with a user of its own in Redis.
    """

    seq: int = 0
    head: str = GENESIS
    archive: Archive = field(default_factory=Archive, compare=False, repr=False)
    clients: dict[str, Client] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    book: Book = field(default_factory=Book)
    grid: dict[str, ZoneReadings] = field(default_factory=dict)
    signals: dict[str, SignalState] = field(default_factory=dict)
    active: dict[str, None] = field(default_factory=dict)
    has_redis_users: bool = False

    def __post_init__(self) -> None:
        self.book.pages.archive = self.book.measurements.archive = self.archive
        self.active |= {run.id: None for run in self.runs.values() if run.ended_at is None}

    def enrolled(self) -> list[Client]:
        """Return the clients that are not retired, in the order in which they were enrolled."""
        return [client for client in self.clients.values() if not client.retired]

    def client_keys(self) -> dict[str, str]:
        """Return the public key of each enrolled client that has one."""
        return {client.id: client.key for client in self.enrolled() if client.key is not None}

    def kit_keys(self) -> dict[str, str]:
        """Return the one-time public key of each enrolled client that has a kit."""
        return {
            client.id: client.kit_key for client in self.enrolled() if client.kit_key is not None
        }

    def active_runs(self) -> list[Run]:
        """Return the runs that are not over, the one that has waited longest for a plan first."""
        active = [self.runs[name] for name in self.active]
        return sorted(active, key=lambda run: run.last_planned_seq)

    def open_rounds(self) -> Iterator[tuple[str, int]]:
        """Yield run and number of each round that is open, or of which an assignment is."""
        for run in self.active_runs():
            if run.open_round is not None:
                issued = {part.round for part in run.open_round.cohort.values()}
                yield from ((run.id, number) for number in issued | {run.open_round.number})

    def archived(self) -> Iterator[str]:
        """Yield the names of everything in the archive that this state refers to."""
        for run in self.runs.values():
            yield from (page.name for page in run.closed.pages)
            if run.grid_page is not None:
                yield run.grid_page
        for series in self.grid.values():
            yield from (page.name for page in series.pages)
        yield from self.book.archived()

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
