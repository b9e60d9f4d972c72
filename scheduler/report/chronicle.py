"""A chronicle: what a report needs of the events beyond what the federation keeps of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import hours_overlapping
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Event


@dataclass(slots=True)
class Voice:
    """A signal that spoke for a zone, with what its readings count, and how often and when."""

    zone: str
    source: str
    family: str
    quality: str
    readings: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Fallback:
    """From when on (grid clock) a zone was without its signal, and who spoke instead."""

    zone: str
    at: datetime
    expected: str
    speaks: str | None
    why: str


@dataclass(slots=True)
class Chronicle:
    """Follows the events, and the federation they make. Times are on the grid clock.

    Attributes:
        planned: When each round was planned, by run and number.
        voices: By zone, source, family and quality.
        fallbacks: In order; a zone that recovered has its own signal as the one that speaks.
        spread: By zone, the forecasts that had quantiles, one an hour, by hour since 1970.
    """

    state: Federation = field(default_factory=Federation)
    first: datetime | None = None
    last: datetime | None = None
    planned: dict[tuple[str, int], datetime] = field(default_factory=dict)
    voices: dict[tuple[str, str, str, str], Voice] = field(default_factory=dict)
    fallbacks: list[Fallback] = field(default_factory=list)
    spread: dict[str, dict[int, Reading]] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        """Take in one event."""
        self.state.apply(event)
        self.first, self.last = self.first or event.grid_at, event.grid_at
        body = event.body
        if event.kind == "round.planned":
            self.planned.setdefault((event.run, event.round), event.grid_at)
        elif event.kind == "grid.read":
            for zone, told in body["readings"].items():
                if told:
                    self._hear(Reading.from_dict(zone, told))
        elif event.kind in ("grid.settled", "grid.caught_up"):
            for zone, several in body["readings"].items():
                for told in several:
                    self._hear(Reading.from_dict(zone, told))
        elif event.kind == "signal.fell_back":
            self.fallbacks.append(
                Fallback(body["zone"], event.grid_at, body["expected"], body["speaks"], body["why"])
            )
        elif event.kind == "signal.recovered":
            speaks = body["speaks"]
            self.fallbacks.append(Fallback(body["zone"], event.grid_at, speaks, speaks, ""))

    def _hear(self, reading: Reading) -> None:
        key = (reading.zone, reading.source, str(reading.family), reading.quality)
        voice = self.voices.setdefault(key, Voice(*key, 0, reading.start, reading.start))
        voice.readings += 1
        voice.first = min(voice.first, reading.start)
        voice.last = max(voice.last, reading.start)
        if reading.low_gco2eq_per_kwh is not None and reading.high_gco2eq_per_kwh is not None:
            hours = hours_overlapping(reading.start, reading.end)
            self.spread.setdefault(reading.zone, {}).update(dict.fromkeys(hours, reading))
