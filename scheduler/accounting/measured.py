"""Measured intensities, zone by zone and hour by hour; the older ones are in the archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from pydantic import TypeAdapter

from common.errors import SignalError
from scheduler.carbon.family import Family
from scheduler.carbon.mean import Mean, mean_over
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping
from scheduler.ledger.archive import Archive

AT_HAND = 240
"""So many hours of a zone stay decoded; a page is made when there are twice as many."""


@dataclass(slots=True)
class MeasuredPage:
    """A page of the archive: readings of one zone, of hours from `first` to `last`."""

    name: str
    first: int
    last: int


@dataclass(slots=True)
class Measured:
    """Readings that were measured, by zone and hour since 1970.

    Attributes:
        archive: Has the pages.
        pages: Of the older hours, by zone.
        recent: The others, and what came in later for hours of a page.
    """

    archive: Archive = field(default_factory=Archive, compare=False, repr=False)
    pages: dict[str, list[MeasuredPage]] = field(default_factory=dict)
    recent: dict[str, dict[int, list[Reading]]] = field(default_factory=dict)

    def add(self, reading: Reading) -> Sequence[int]:
        """Take in a reading, instead of one of the same start, and return its hours."""
        hours = hours_overlapping(reading.start, reading.end)
        known = self.recent.setdefault(reading.zone, {})
        for hour in hours:
            others = [r for r in known.get(hour, ()) if r.start != reading.start]
            known[hour] = [*others, reading]
        return hours

    def mean(self, zone: str, start: datetime, end: datetime, family: Family | None) -> Mean | None:
        """Return the mean of an interval, `None` where any of it is unknown.

        Args:
            zone: Electricity Maps zone id.
            start: Begin of the interval.
            end: Its end; the same instant for what holds then.
            family: Readings of others are left out; `None` takes all.
        """
        readings: dict[datetime, Reading] = {}
        for hour in hours_of(start, end):
            known = self._at(zone, hour)
            if not known:
                return None  # most often so, while work waits for its measured intensities
            readings |= {r.start: r for r in known if family in (None, r.family)}
        try:
            return mean_over(list(readings.values()), start, end)
        except SignalError:
            return None

    def has(self, zone: str, hour: int, family: Family | None) -> bool:
        """Return whether all of an hour is known."""
        start = hour_start(hour)
        known = bool(self._at(zone, hour))
        return known and self.mean(zone, start, start + HOUR, family) is not None

    def shelve(self) -> None:
        """Move the oldest hours of each zone into the archive if they are too many."""
        for zone, known in self.recent.items():
            if len(known) >= 2 * AT_HAND:
                oldest = sorted(known)[: len(known) - AT_HAND]
                readings = [reading for hour in oldest for reading in known.pop(hour)]
                name = self.archive.put_page(_kind(), list(dict.fromkeys(readings)))
                page = MeasuredPage(name, oldest[0], oldest[-1])
                self.pages.setdefault(zone, []).append(page)

    def _at(self, zone: str, hour: int) -> list[Reading]:
        """Return the readings of an hour; the last of the same start is the newest."""
        found = list[Reading]()
        for page in self.pages.get(zone, ()):
            if page.first <= hour <= page.last:
                start = hour_start(hour)
                found += (
                    reading
                    for reading in self.archive.page(_kind(), page.name)
                    if reading.start < start + HOUR and reading.end > start
                )
        return found + self.recent.get(zone, {}).get(hour, [])


def hours_of(start: datetime, end: datetime) -> Sequence[int]:
    """Return the hours of an interval; an instant has one, too."""
    return hours_overlapping(start, max(end, start + timedelta.resolution))


@cache
def _kind() -> TypeAdapter[list[Reading]]:
    return TypeAdapter(list[Reading])
