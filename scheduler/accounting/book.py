"""The book: every piece of work once, whatever became of it, and what was measured since.

A piece of work is told of as often as its receipt arrives. It is booked once, by its run, round,
client and the instant it began; work that was given up is booked as lost until an answer comes.
Measured intensities settle a booking as soon as they cover all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from common.errors import SignalError
from scheduler.accounting.booking import Booking, Outcome
from scheduler.carbon.reading import Family, Mean, Reading, mean_over
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping
from scheduler.ledger.events import Work


class Change(NamedTuple):
    """A booking that is new (`before` is `None`), replaced, or taken back (`after` is `None`)."""

    before: Booking | None
    after: Booking | None


class WorkKey(NamedTuple):
    """What tells one piece of work from another; `began` is `None` where no answer came."""

    run: str
    round: int
    client: str
    began: datetime | None


Interval = tuple[datetime, datetime]


@dataclass(slots=True)
class Book:
    """All bookings, and the measured intensities by which they are settled.

    `family` is what the federation counts, known from the first booking of that family.
    """

    family: Family | None = None
    _rounds: dict[tuple[str, int], dict[WorkKey, Booking]] = field(default_factory=dict)
    _works: dict[str, dict[int, list[WorkKey]]] = field(default_factory=dict)
    _measured: dict[str, dict[int, dict[datetime, Reading]]] = field(default_factory=dict)
    _wanted: dict[str, set[int]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Booking]:
        """Yield all bookings, round by round."""
        for pieces in self._rounds.values():
            yield from pieces.values()

    def of_round(self, run: str, number: int) -> list[Booking]:
        """Return the bookings of one round, in the order in which they were made."""
        return list(self._rounds.get((run, number), {}).values())

    def answered(
        self, run: str, number: int, client: str, done: Work, *, outcome: Outcome, zone: str
    ) -> list[Change]:
        """Book the work that a receipt reports, unless it is booked already.

        Work that was booked as uncounted and counts after all is booked as counted instead.
        """
        work = WorkKey(run, number, client, done.started_at)
        pieces = self._rounds.setdefault(work[:2], {})
        if work in pieces and outcome != "counted":
            return []
        changes = [self._put(work, _booking(work, done, outcome, zone))]
        lost = pieces.pop(work._replace(began=None), None)
        return [Change(lost, None), *changes] if lost else changes

    def lost(self, run: str, number: int, client: str, zone: str) -> list[Change]:
        """Book work that nobody answered for: what it used is unknown."""
        work = WorkKey(run, number, client, None)
        if work in self._rounds.get(work[:2], {}):
            return []
        unknown = Booking(
            run, number, client, zone, outcome="lost", started_at=None, ended_at=None, energy=None,
            network_wh=None, examples=0, booked=None, settled=None, comparable=False,
        )  # fmt: skip
        return [self._put(work, unknown)]

    def cut_off(self, run: str, number: int) -> list[Change]:
        """Book the counted work of a round that will never make a version as not counted."""
        return [
            self._put(work, replace(booking, outcome="cut_off"))
            for work, booking in list(self._rounds.get((run, number), {}).items())
            if booking.outcome == "counted"
        ]

    def settle(self, readings: Iterable[Reading]) -> list[Change]:
        """Take in measured readings, and settle the bookings they cover from end to end."""
        touched: dict[WorkKey, None] = {}
        for reading in readings:
            measured = self._measured.setdefault(reading.zone, {})
            for hour in hours_overlapping(reading.start, reading.end):
                measured.setdefault(hour, {})[reading.start] = reading
                touched.update(dict.fromkeys(self._works.get(reading.zone, {}).get(hour, ())))
                if self._is_measured(reading.zone, hour):
                    self._wanted.get(reading.zone, set()).discard(hour)
        return [self._put(work, self._rounds[work[:2]][work]) for work in touched]

    def want(self, zone: str, start: datetime, end: datetime) -> None:
        """Note that the measured intensities of an interval are wanted."""
        for hour in _hours(start, end):
            if not self._is_measured(zone, hour):
                self._wanted.setdefault(zone, set()).add(hour)

    def unsettled(self, *, since: datetime, until: datetime) -> dict[str, list[Interval]]:
        """Return the hours whose measured intensities are wanted, by zone, neighbours joined.

        Args:
            since: Hours that began before are given up.
            until: Hours that are not over by then are not asked for yet.
        """
        found = {}
        for zone, hours in sorted(self._wanted.items()):
            starts = (hour_start(hour) for hour in sorted(hours))
            if joined := _joined(s for s in starts if since <= s and s + HOUR <= until):
                found[zone] = joined
        return found

    def measured(self, zone: str, start: datetime, end: datetime) -> Mean | None:
        """Return the mean measured intensity of an interval, `None` where any of it is unknown."""
        return self._mean(zone, start, end, self.family)

    def _put(self, work: WorkKey, booking: Booking) -> Change:
        start, end = booking.started_at, booking.ended_at
        if booking.comparable and booking.booked is not None:
            self.family = booking.booked.family
        pieces = self._rounds.setdefault(work[:2], {})
        before = pieces.get(work)
        if start is not None and end is not None:
            family = booking.booked.family if booking.booked and booking.comparable else self.family
            # Grams of another family stay apart until the federation's own family is known.
            if family is not None or booking.booked is None:
                settled = self._mean(booking.zone, start, end, family)
                booking = replace(booking, settled=settled) if settled else booking
            if before is None or before.zone != booking.zone:
                self._index(work, booking.zone, start, end)
        pieces[work] = booking
        return Change(before, booking)

    def _index(self, work: WorkKey, zone: str, start: datetime, end: datetime) -> None:
        for hour in _hours(start, end):
            self._works.setdefault(zone, {}).setdefault(hour, []).append(work)
        self.want(zone, start, end)

    def _mean(
        self, zone: str, start: datetime, end: datetime, family: Family | None
    ) -> Mean | None:
        measured = self._measured.get(zone)
        if measured is None:
            return None
        readings = {
            begun: reading
            for hour in _hours(start, end)
            for begun, reading in measured.get(hour, {}).items()
            if family in (None, reading.family)
        }
        try:
            return mean_over(list(readings.values()), start, end)
        except SignalError:
            return None

    def _is_measured(self, zone: str, hour: int) -> bool:
        start = hour_start(hour)
        return self._mean(zone, start, start + HOUR, self.family) is not None


def _booking(work: WorkKey, done: Work, outcome: Outcome, zone: str) -> Booking:
    return Booking(
        run=work.run,
        round=work.round,
        client=work.client,
        zone=zone,
        outcome=outcome,
        started_at=done.grid_started_at,
        ended_at=done.grid_ended_at,
        energy=done.energy,
        network_wh=done.network_wh,
        examples=done.examples,
        booked=Mean.from_record(done.intensity) if done.intensity else None,
        settled=None,
        comparable=done.comparable,
    )


def _hours(start: datetime, end: datetime) -> Sequence[int]:
    return hours_overlapping(start, max(end, start + timedelta.resolution))


def _joined(starts: Iterable[datetime]) -> list[Interval]:
    joined: list[Interval] = []
    for start in starts:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], start + HOUR)
        else:
            joined.append((start, start + HOUR))
    return joined
