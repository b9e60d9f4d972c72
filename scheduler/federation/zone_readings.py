"""A series: what the ledger told of one zone's grid in the last weeks, and what holds now."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

from scheduler.carbon.reading import Reading
from scheduler.carbon.zone_history import KEPT

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class ZoneReadings:
    """The readings of one zone; `points` say since when each holds, `None` where it is unknown."""

    points: deque[tuple[datetime, Reading | None]] = field(default_factory=deque)

    @property
    def latest(self) -> Reading | None:
        """The reading told last, `None` if the zone is unknown now."""
        return self.points[-1][1] if self.points else None

    def readings(self) -> list[Reading]:
        """Return what was told and not taken back, in order; none overlaps another."""
        ends = [since for since, _ in self.points][1:]
        return [
            replace(reading, start=since, end=min(reading.end, end))
            for (since, reading), end in zip(self.points, [*ends, _NEVER], strict=True)
            if reading is not None and since < min(reading.end, end)
        ]

    def lacks(self, reading: Reading) -> bool:
        """Return whether nothing was told of the time a reading holds for."""
        index = bisect_right(self.points, reading.start, key=lambda point: point[0])
        while index > 0 and self.points[index - 1][1] is None:
            index -= 1
        before = self.points[index - 1][1] if index else None
        if before is not None and before.end > reading.start:
            return False
        later = islice(self.points, index, None)
        return all(known is None for since, known in later if since < reading.end)

    def recall(self, reading: Reading) -> None:
        """Take in what was found out later of a time of which nothing was told."""
        if self.lacks(reading):
            points = [p for p in self.points if not (p[1] is None and _within(p[0], reading))]
            insort(points, (reading.start, reading), key=lambda point: point[0])
            self.points = deque(points)

    def tell(self, reading: Reading | None, at: datetime) -> None:
        """Take in what an event of the instant `at` (grid clock) says."""
        last = self.points[-1][0] if self.points else None
        since = reading.start if reading and (last is None or reading.start >= last) else at
        if since == last:
            self.points.pop()
        self.points.append((since, reading))
        while self.points[0][0] < since - KEPT:
            self.points.popleft()


def _within(time: datetime, reading: Reading) -> bool:
    return reading.start <= time < reading.end
