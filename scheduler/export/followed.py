"""A run as it is exported: what its events have said so far, gathered as they are read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from scheduler.accounting.booking import Booking
from scheduler.export.point import Point, points_of
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run
from scheduler.ledger.event import Event
from scheduler.ledger.events import ReceiptPayload, RoundClosed, RunEnded, WorkRecord


class _Piece(NamedTuple):
    round: int
    client: str
    started_at: datetime | None


class Followed:
    """What one run's events have said so far.

    Attributes:
        points: In the order in which they became known, each name once a step.
        ended: Whether the run is over.
        closed_at: When each round was closed, by number, wall clock.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.ended = False
        self.closed_at: dict[int, datetime] = {}
        self._named: set[tuple[str, int]] = set()
        self._work: dict[_Piece, WorkRecord] = {}
        self._gco2eq = 0.0

    def see(self, events: Iterable[Event], run: Run) -> None:
        """Take in events of the run, in order; `run` is as they left it, or later."""
        for event in events:
            if isinstance(event.payload, ReceiptPayload):
                work = event.payload.work
                piece = _Piece(event.round, event.client, work.grid_started_at)
                self._work.setdefault(piece, work)
            elif isinstance(event.payload, RoundClosed):
                self.closed_at[event.round] = event.at
                self._gco2eq += event.payload.gco2eq
                self._add(Point("emissions/cumulative_gco2eq", event.round, self._gco2eq, event.at))
            self.ended |= isinstance(event.payload, RunEnded)
            for point in points_of(event, run):
                self._add(point)

    def _add(self, point: Point) -> None:
        if (point.name, point.step) not in self._named:
            self._named.add((point.name, point.step))
            self.points.append(point)

    def pieces(self, state: Federation, run: Run) -> list[tuple[Booking, WorkRecord | None]]:
        """Return every piece of work of the run with what its site reported, in order of rounds.

        `None` where no site reported it.
        """
        last = run.open_round.number if run.open_round is not None else len(run.closed) + 1
        return [
            (booking, self._work.get(_Piece(booking.round, booking.client, booking.started_at)))
            for number in range(1, last + 1)
            for booking in state.book.of_round(run.id, number)
        ]
