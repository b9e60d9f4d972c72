"""The book: every piece of work once, whatever became of it, and what was measured since.

A receipt of the same work may arrive several times. The work is booked once, by its run, round,
client and the instant it began; work that was given up is booked as lost until an answer comes.
Measured intensities settle a booking as soon as they cover all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from pydantic import Field

from scheduler.accounting.book_pages import BookPages, RoundBookings, booked_hours
from scheduler.accounting.booking import Booking, Outcome
from scheduler.accounting.measured import Measured, hours_of
from scheduler.carbon.family import Family
from scheduler.carbon.mean import Mean
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start
from scheduler.ledger.events import WorkRecord

GIVEN_UP = timedelta(days=7)
"""What no source has measured a week later will not be."""

AT_HAND = 2048
"""So many of the last bookings stay decoded; a page is made when there are twice as many."""

_MOST_WANTED = 512
"""So many wanted hours of a zone, and those that are given up are forgotten."""


class Change(NamedTuple):
    """A booking that is new (`before` is `None`), replaced, or taken back (`after` is `None`)."""

    before: Booking | None
    after: Booking | None


class WorkKey(NamedTuple):
    """The key of one piece of work in a round; `began` is empty without an answer."""

    round: str
    piece: str


Interval = tuple[datetime, datetime]


@dataclass(slots=True)
class Book:
    """All bookings, and the measured intensities by which they are settled.

    Attributes:
        family: What the federation counts, known from the first booking of that family.
        pages: Bookings of older rounds, in the archive.
        recent: The last rounds' bookings, by run and number.
        measurements: What was measured.
        spare_answers: By run and client, how many answers were recorded that counted for nothing.
        wanted: By zone, the hours since 1970 whose measured intensities are wanted.
        last_wanted: The newest of them all.
        by_hour: Which recent work was done in an hour of a zone.
        num_recent: How many bookings `recent` has.
    """

    family: Family | None = None
    pages: BookPages = field(default_factory=BookPages)
    recent: dict[str, RoundBookings] = field(default_factory=dict)
    measurements: Measured = field(default_factory=Measured)
    spare_answers: dict[str, dict[str, int]] = field(default_factory=dict)
    wanted: dict[str, dict[int, None]] = field(default_factory=dict)
    last_wanted: int = 0
    by_hour: Annotated[dict[str, dict[int, dict[WorkKey, None]]], Field(exclude=True)] = field(
        default_factory=dict, compare=False, repr=False
    )
    num_recent: Annotated[int, Field(exclude=True)] = field(default=0, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, each in self.recent.items():
            for piece, booking in each.pieces.items():
                self._index(WorkKey(name, piece), booking)

    def __iter__(self) -> Iterator[Booking]:
        """Yield all bookings, round by round."""
        for each in self.pages:
            yield from each.pieces.values()
        for each in self.recent.values():
            yield from each.pieces.values()

    def ended_after(self, since: datetime) -> Iterator[Booking]:
        """Yield the bookings of work that ended after an instant; older pages are not read."""
        for each in (*self.pages.not_before(since), *self.recent.values()):
            for booking in each.pieces.values():
                if booking.ended_at is not None and booking.ended_at > since:
                    yield booking

    def archived(self) -> Iterator[str]:
        """Yield the names of everything in the archive that this book refers to."""
        yield from (page.name for page in self.pages.pages)
        for pages in self.measurements.pages.values():
            yield from (page.name for page in pages)

    def of_round(self, run: str, number: int) -> list[Booking]:
        """Return the bookings of one round, in the order in which they were made."""
        found = self.recent.get(_name(run, number)) or self.pages.find(run, number)
        return list(found.pieces.values()) if found else []

    def counted_in(self, run: str, counted: Mapping[str, int]) -> list[Booking]:
        """Return the bookings of the updates that count in one round.

        Args:
            run: The run's name.
            counted: By client, the round that issued its assignment, under which it is booked.
        """
        return [
            booking
            for issued in sorted(set(counted.values()))
            for booking in self.of_round(run, issued)
            if booking.outcome == "counted" and counted.get(booking.client) == issued
        ]

    def answered(
        self, run: str, number: int, client: str, done: WorkRecord, *, outcome: Outcome, zone: str
    ) -> list[Change]:
        """Book the work that a receipt reports, unless it is booked already.

        WorkRecord that was booked as uncounted and counts after all is booked as counted instead.
        """
        pieces = self._at_hand(run, number)
        work = WorkKey(_name(run, number), _piece(client, done.started_at))
        if work.piece in pieces and outcome != "counted":
            return []
        booking = _booking(done, outcome, Booking.lost(run, number, client, zone))
        changes = [self._put(work, booking)]
        lost = pieces.pop(_piece(client, None), None)
        if lost is not None:
            self.num_recent -= 1
            changes.insert(0, Change(lost, None))
        return changes

    def lost(self, run: str, number: int, client: str, zone: str) -> list[Change]:
        """Book unanswered work: its energy is unknown."""
        work = WorkKey(_name(run, number), _piece(client, None))
        if work.piece in self._at_hand(run, number):
            return []
        return [self._put(work, Booking.lost(run, number, client, zone))]

    def uncounted(self, run: str, number: int, client: str) -> list[Change]:
        """Book a client's counted work of a round as not counted: its update is in no version."""
        return [
            self._put(WorkKey(_name(run, number), piece), replace(booking, outcome="cut_off"))
            for piece, booking in list(self._at_hand(run, number).items())
            if booking.client == client and booking.outcome == "counted"
        ]

    def shelve(self, open_rounds: Iterable[tuple[str, int]]) -> None:
        """Move older rounds into the archive if there are too many bookings at hand.

        Args:
            open_rounds: Run and number of each round that is still open; these stay.
        """
        self.measurements.shelve()
        if self.num_recent < 2 * AT_HAND:
            return
        stay = {_name(run, number) for run, number in open_rounds}
        rounds = []
        for name, each in list(self.recent.items()):
            if self.num_recent <= AT_HAND:
                break
            if name not in stay:
                for piece, booking in each.pieces.items():
                    self._unindex(WorkKey(name, piece), booking)
                rounds.append(self.recent.pop(name))
        if rounds:
            self.pages.add(rounds)

    def settle(self, readings: Iterable[Reading]) -> list[Change]:
        """Take in measured readings, and settle the bookings they cover from end to end."""
        hours: dict[str, set[int]] = {}
        for reading in readings:
            for hour in self.measurements.add(reading):
                hours.setdefault(reading.zone, set()).add(hour)
                if self.measurements.has(reading.zone, hour, self.family):
                    self.wanted.get(reading.zone, {}).pop(hour, None)
        for each in self.pages.done_in(hours):
            if any(self._settled(booking) != booking for booking in each.pieces.values()):
                self._at_hand(each.run, each.number)
        return [self._put(work, booking) for work, booking in self._done_in(hours)]

    def want(self, zone: str, start: datetime, end: datetime) -> None:
        """Note that the measured intensities of an interval are wanted."""
        for hour in hours_of(start, end):
            if not self.measurements.has(zone, hour, self.family):
                wanted = self.wanted.setdefault(zone, {})
                wanted[hour] = None
                self.last_wanted = max(self.last_wanted, hour)
                if len(wanted) > _MOST_WANTED:
                    since = self.last_wanted - 2 * (GIVEN_UP // HOUR)
                    self.wanted[zone] = {hour: None for hour in wanted if hour >= since}

    def unsettled(self, *, since: datetime, until: datetime) -> dict[str, list[Interval]]:
        """Return the hours whose measured intensities are wanted, by zone, neighbours joined.

        Args:
            since: Hours that began before are given up.
            until: Hours that are not over by then are not needed yet.
        """
        found = {}
        for zone, hours in sorted(self.wanted.items()):
            starts = (hour_start(hour) for hour in sorted(hours))
            if joined := _joined(s for s in starts if since <= s and s + HOUR <= until):
                found[zone] = joined
        return found

    def measured(self, zone: str, start: datetime, end: datetime) -> Mean | None:
        """Return the mean measured intensity of an interval, `None` where any of it is unknown."""
        return self.measurements.mean(zone, start, end, self.family)

    def _at_hand(self, run: str, number: int) -> dict[str, Booking]:
        """Return a round's bookings to be changed, taken out of the archive if they are there."""
        name = _name(run, number)
        if name not in self.recent:
            self.recent[name] = RoundBookings(run, number, {})
            taken = self.pages.take(run, number)
            for piece, booking in taken.pieces.items() if taken else ():
                self.recent[name].pieces[piece] = booking
                self._index(WorkKey(name, piece), booking)
        return self.recent[name].pieces

    def _put(self, work: WorkKey, booking: Booking) -> Change:
        if booking.comparable and booking.booked is not None:
            self.family = booking.booked.family
        pieces = self.recent[work.round].pieces
        before = pieces.get(work.piece)
        booking = self._settled(booking)
        if before is not None:
            self._unindex(work, before)
        self._index(work, booking)
        moved = before is None or before.zone != booking.zone
        if moved and booking.started_at is not None and booking.ended_at is not None:
            self.want(booking.zone, booking.started_at, booking.ended_at)
        pieces[work.piece] = booking
        return Change(before, booking)

    def _settled(self, booking: Booking) -> Booking:
        """Return a booking as measurements settle it, or as it is where they do not."""
        start, end = booking.started_at, booking.ended_at
        family = booking.booked.family if booking.booked and booking.comparable else self.family
        # Grams of another family stay apart until the federation's own family is known.
        if start is None or end is None or (family is None and booking.booked is not None):
            return booking
        settled = self.measurements.mean(booking.zone, start, end, family)
        return replace(booking, settled=settled) if settled else booking

    def _done_in(self, hours: dict[str, set[int]]) -> list[tuple[WorkKey, Booking]]:
        """Return the recent work of these hours of a zone, in the order of the book."""
        touched = {
            work
            for zone, each in hours.items()
            for hour in each
            for work in self.by_hour.get(zone, {}).get(hour, ())
        }
        names = {work.round for work in touched}
        return [
            (WorkKey(name, piece), booking)
            for name, each in self.recent.items()
            if name in names
            for piece, booking in each.pieces.items()
            if (name, piece) in touched
        ]

    def _index(self, work: WorkKey, booking: Booking) -> None:
        self.num_recent += 1
        for hour in booked_hours(booking):
            self.by_hour.setdefault(booking.zone, {}).setdefault(hour, {})[work] = None

    def _unindex(self, work: WorkKey, booking: Booking) -> None:
        self.num_recent -= 1
        for hour in booked_hours(booking):
            works = self.by_hour[booking.zone][hour]
            del works[work]
            if not works:
                del self.by_hour[booking.zone][hour]


def _name(run: str, number: int) -> str:
    return f"{run}/{number}"


def _piece(client: str, began: datetime | None) -> str:
    return f"{client}/{began.isoformat() if began else ''}"


def _booking(done: WorkRecord, outcome: Outcome, of: Booking) -> Booking:
    return replace(
        of,
        outcome=outcome,
        started_at=done.grid_started_at,
        ended_at=done.grid_ended_at,
        energy=done.energy,
        network_wh=done.network_wh,
        examples=done.examples,
        flops=done.flops,
        booked=Mean.from_record(done.intensity) if done.intensity else None,
        comparable=done.comparable,
        idle_booked=Mean.from_record(done.idle_intensity) if done.idle_intensity else None,
    )


def _joined(starts: Iterable[datetime]) -> list[Interval]:
    joined: list[Interval] = []
    for start in starts:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], start + HOUR)
        else:
            joined.append((start, start + HOUR))
    return joined
