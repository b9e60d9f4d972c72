"""A series: what the ledger told of one zone's grid in the last weeks, and what holds now."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scheduler.carbon.reading import Reading

KEPT = timedelta(days=35)
"""Five weeks: what a typical week is made of."""


@dataclass(slots=True)
class Series:
    """The readings of one zone; `points` say since when each holds, `None` where it is unknown."""

    points: deque[tuple[datetime, Reading | None]] = field(default_factory=deque)

    @property
    def latest(self) -> Reading | None:
        """The reading told last, `None` if the zone is unknown now."""
        return self.points[-1][1] if self.points else None

    def tell(self, reading: Reading | None, at: datetime) -> None:
        """Take in what an event of the instant `at` (grid clock) says."""
        last = self.points[-1][0] if self.points else None
        since = reading.start if reading and (last is None or reading.start >= last) else at
        if since == last:
            self.points.pop()
        self.points.append((since, reading))
        while self.points[0][0] < since - KEPT:
            self.points.popleft()
