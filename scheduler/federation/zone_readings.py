"""Zone readings: what the events say of one zone's grid in the last weeks, and what holds now."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import islice

from pydantic import TypeAdapter

from scheduler.carbon.reading import Reading
from scheduler.carbon.zone_history import KEPT
from scheduler.ledger.archive import Archive

_NEVER = datetime.max.replace(tzinfo=UTC)

AT_HAND = 64
"""So many of the last points stay decoded; a page is made when there are twice as many."""

Point = tuple[datetime, Reading | None]
"""Since when a reading holds; `None` where the intensity is unknown from then on."""


@dataclass(slots=True)
class PointsPage:
    """A page of the archive: `count` points, the last of them at `last`."""

    name: str
    count: int
    last: datetime


@dataclass(slots=True)
class ZoneReadings:
    """The readings of one zone.

    Attributes:
        archive: Has the pages.
        pages: Of the older points.
        recent: The last points, after those in the pages.
        kept_from: Points before this instant are forgotten.
    """

    archive: Archive = field(default_factory=Archive, compare=False, repr=False)
    pages: list[PointsPage] = field(default_factory=list)
    recent: list[Point] = field(default_factory=list)
    kept_from: datetime | None = None

    @property
    def latest(self) -> Reading | None:
        """The newest reading, `None` if the zone is unknown now."""
        return self.recent[-1][1] if self.recent else None

    @property
    def first(self) -> datetime | None:
        """The first point's time, `None` if there is none."""
        return next((since for since, _ in self.points()), None)

    def points(self) -> Iterator[Point]:
        """Yield all points that are kept, oldest first."""
        for page in self.pages:
            yield from self._kept(page)
        yield from self.recent

    def newest(self, count: int) -> list[Point]:
        """Return the last points, no more than `count`, oldest first."""
        points = list(self.recent)
        for page in reversed(self.pages):
            if len(points) >= count:
                break
            points = [*self._kept(page), *points]
        return points[-count:]

    def readings(self) -> list[Reading]:
        """Return what was known and not taken back, in order; none overlaps another."""
        points = list(self.points())
        ends = [since for since, _ in points][1:]
        return [
            replace(reading, start=since, end=min(reading.end, end))
            for (since, reading), end in zip(points, [*ends, _NEVER], strict=True)
            if reading is not None and since < min(reading.end, end)
        ]

    def lacks(self, reading: Reading) -> bool:
        """Return whether nothing is known of the time a reading holds for."""
        return _lack(list(self.points()), reading)

    def recall(self, reading: Reading) -> None:
        """Take in what was found out later of a time of which nothing was known."""
        points = list(self.points())
        if _lack(points, reading):
            points = [p for p in points if not (p[1] is None and _within(p[0], reading))]
            insort(points, (reading.start, reading), key=lambda point: point[0])
            for page in self.pages:
                self.archive.drop(page.name)
            self.pages, self.recent = [], points
            self._shelve()

    def tell(self, reading: Reading | None, at: datetime) -> None:
        """Take in what an event of the instant `at` (grid clock) says."""
        last = self.recent[-1][0] if self.recent else None
        since = reading.start if reading and (last is None or reading.start >= last) else at
        if since == last:
            self.recent.pop()
        self.recent.append((since, reading))
        self._forget(since - KEPT)
        self._shelve()

    def _kept(self, page: PointsPage) -> list[Point]:
        points = self.archive.page(_kind(), page.name)
        since = self.kept_from
        return points if since is None else [point for point in points if point[0] >= since]

    def _forget(self, before: datetime) -> None:
        self.kept_from = before if self.kept_from is None else max(self.kept_from, before)
        while self.pages and self.pages[0].last < self.kept_from:
            self.archive.drop(self.pages.pop(0).name)
        if not self.pages:
            gone = 0
            while self.recent[gone][0] < self.kept_from:
                gone += 1
            del self.recent[:gone]

    def _shelve(self) -> None:
        while len(self.recent) >= 2 * AT_HAND:
            page = self.recent[:AT_HAND]
            name = self.archive.put_page(_kind(), page)
            self.pages.append(PointsPage(name, len(page), page[-1][0]))
            del self.recent[:AT_HAND]


@cache
def _kind() -> TypeAdapter[list[Point]]:
    return TypeAdapter(list[Point])


def _lack(points: list[Point], reading: Reading) -> bool:
    index = bisect_right(points, reading.start, key=lambda point: point[0])
    while index > 0 and points[index - 1][1] is None:
        index -= 1
    before = points[index - 1][1] if index else None
    if before is not None and before.end > reading.start:
        return False
    later = islice(points, index, None)
    return all(known is None for since, known in later if since < reading.end)


def _within(time: datetime, reading: Reading) -> bool:
    return reading.start <= time < reading.end
