"""Folded events: what a report needs of the events, the federation and more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import hours_overlapping
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    GridCaughtUp,
    GridRead,
    GridSettled,
    RoundPlanned,
    SignalFellBack,
    SignalRecovered,
)
from scheduler.report.annual import ZoneReadings
from scheduler.report.clock_use import ClockUse


@dataclass(slots=True)
class SourceUse:
    """The readings of one source for a zone: what they count, how many, from when to when.

    `shortest_s` and `longest_s` say how long the slots are, in s.
    """

    zone: str
    source: str
    family: str
    quality: str
    readings: int
    first: datetime
    last: datetime
    shortest_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Fallback:
    """Since when (grid clock) a fallback is the active source of a zone."""

    zone: str
    at: datetime
    expected: str
    active_source: str | None
    why: str


@dataclass(slots=True)
class FoldedEvents:
    """Folds the events, and keeps what a report needs beside. Times are on the grid clock.

    Attributes:
        clock: The grid clock against the wall clock.
        last: When the last event was.
        planned: When each round was planned, by run and number.
        sources: By zone, source, family and quality.
        fallbacks: In order; of a zone that recovered, the active source is the expected one.
        readings: Of all zones, for their annual means.
        spread: By zone, the forecasts that had quantiles, one an hour, by hour since 1970.
    """

    state: Federation = field(default_factory=Federation)
    clock: ClockUse = field(default_factory=ClockUse)
    last: datetime | None = None
    planned: dict[tuple[str, int], datetime] = field(default_factory=dict)
    sources: dict[tuple[str, str, str, str], SourceUse] = field(default_factory=dict)
    fallbacks: list[Fallback] = field(default_factory=list)
    readings: ZoneReadings = field(default_factory=ZoneReadings)
    spread: dict[str, dict[int, Reading]] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        """Take in one event."""
        apply(self.state, event)
        self.clock.see(event.at, event.grid_at)
        self.last = event.grid_at
        match event.payload:
            case RoundPlanned():
                self.planned.setdefault((event.run, event.round), event.grid_at)
            case GridRead(readings=readings):
                for zone, kept in readings.items():
                    if kept:
                        self._count(Reading.from_record(zone, kept))
            case GridSettled(readings=found) | GridCaughtUp(readings=found):
                for zone, several in found.items():
                    for kept in several:
                        self._count(Reading.from_record(zone, kept))
            case SignalFellBack() as fell:
                self.fallbacks.append(
                    Fallback(fell.zone, event.grid_at, fell.expected, fell.active_source, fell.why)
                )
            case SignalRecovered(zone=zone, active_source=source):
                self.fallbacks.append(Fallback(zone, event.grid_at, source, source, ""))

    def _count(self, reading: Reading) -> None:
        key = (reading.zone, reading.source, str(reading.family), reading.quality)
        slot_s = (reading.end - reading.start).total_seconds()
        first = SourceUse(*key, 0, reading.start, reading.start, slot_s, slot_s)
        use = self.sources.setdefault(key, first)
        use.readings += 1
        use.shortest_s, use.longest_s = min(use.shortest_s, slot_s), max(use.longest_s, slot_s)
        self.readings.see(reading)
        use.first = min(use.first, reading.start)
        use.last = max(use.last, reading.start)
        if reading.low_gco2eq_per_kwh is not None and reading.high_gco2eq_per_kwh is not None:
            hours = hours_overlapping(reading.start, reading.end)
            self.spread.setdefault(reading.zone, {}).update(dict.fromkeys(hours, reading))
