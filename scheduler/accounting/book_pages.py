"""The archived part of the book: bookings of older rounds, page by page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from pydantic import TypeAdapter

from scheduler.accounting.booking import Booking
from scheduler.accounting.measured import hours_of
from scheduler.ledger.archive import Archive


@dataclass(frozen=True, slots=True)
class RoundBookings:
    """The bookings of one round, each under the name of its work."""

    run: str
    number: int
    pieces: dict[str, Booking]


@dataclass(slots=True)
class BookPage:
    """A page of the archive.

    Attributes:
        name: In the archive.
        spans: The least and the greatest number of each run's rounds in it.
        first_hour: The first hour since 1970 in which any of its work was done; `None` if unknown.
        last_hour: The last one.
        taken: Rounds that are no longer looked up here, because they were changed since.
    """

    name: str
    spans: dict[str, tuple[int, int]]
    first_hour: int | None
    last_hour: int | None
    taken: dict[str, list[int]] = field(default_factory=dict)

    def may_hold(self, run: str, number: int) -> bool:
        """Return whether a round may be in the page."""
        least, greatest = self.spans.get(run, (1, 0))
        return least <= number <= greatest and number not in self.taken.get(run, ())

    def touches(self, hours: Collection[int]) -> bool:
        """Return whether any of its work may have been done in one of these hours."""
        first, last = self.first_hour, self.last_hour
        return first is not None and last is not None and any(first <= h <= last for h in hours)


@dataclass(slots=True)
class BookPages:
    """All pages of a book, oldest first."""

    archive: Archive = field(default_factory=Archive, compare=False, repr=False)
    pages: list[BookPage] = field(default_factory=list)

    def __iter__(self) -> Iterator[RoundBookings]:
        """Yield the rounds that are in the archive alone."""
        for page in self.pages:
            yield from self._rounds(page)

    def not_before(self, since: datetime) -> Iterator[RoundBookings]:
        """Yield the rounds of the pages with work in the hour of an instant, or later."""
        first = hours_of(since, since)[0]
        for page in self.pages:
            if page.last_hour is not None and page.last_hour >= first:
                yield from self._rounds(page)

    def add(self, rounds: list[RoundBookings]) -> None:
        """Put rounds into a new page."""
        spans: dict[str, tuple[int, int]] = {}
        for each in rounds:
            least, greatest = spans.get(each.run, (each.number, each.number))
            spans[each.run] = min(least, each.number), max(greatest, each.number)
        hours = [hour for each in rounds for b in each.pieces.values() for hour in booked_hours(b)]
        name = self.archive.put_page(_kind(), rounds)
        first, last = (min(hours), max(hours)) if hours else (None, None)
        self.pages.append(BookPage(name, spans, first, last))

    def find(self, run: str, number: int) -> RoundBookings | None:
        """Return a round's bookings, `None` if it is not in the archive."""
        found = self._find(run, number)
        return found[1] if found else None

    def take(self, run: str, number: int) -> RoundBookings | None:
        """Return a round's bookings for them to be changed; the archive has them no more."""
        found = self._find(run, number)
        if found is None:
            return None
        found[0].taken.setdefault(run, []).append(number)
        return found[1]

    def done_in(self, hours: Mapping[str, Collection[int]]) -> list[RoundBookings]:
        """Return the rounds with work in any of these hours of a zone."""
        every = set[int]().union(*hours.values())
        return [
            each
            for page in self.pages
            if page.touches(every)
            for each in self._rounds(page)
            if any(set(booked_hours(b)) & set(hours.get(b.zone, ())) for b in each.pieces.values())
        ]

    def _find(self, run: str, number: int) -> tuple[BookPage, RoundBookings] | None:
        for page in self.pages:
            if page.may_hold(run, number):
                for each in self._rounds(page):
                    if (each.run, each.number) == (run, number):
                        return page, each
        return None

    def _rounds(self, page: BookPage) -> list[RoundBookings]:
        return [
            each
            for each in self.archive.page(_kind(), page.name)
            if each.number not in page.taken.get(each.run, ())
        ]


def booked_hours(booking: Booking) -> Collection[int]:
    """Return the hours since 1970 in which work was done, none where that is unknown."""
    if booking.started_at is None or booking.ended_at is None:
        return ()
    return hours_of(booking.started_at, booking.ended_at)


@cache
def _kind() -> TypeAdapter[list[RoundBookings]]:
    return TypeAdapter(list[RoundBookings])
