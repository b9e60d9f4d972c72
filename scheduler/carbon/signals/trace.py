"""The signal that replays a recorded trace: what grids really did, hour by hour.

A trace must hold average, consumption-based intensities, as Electricity Maps publishes them, of one
scope, because every reading is labelled so. Its format is described in `trace_file.py`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from common.errors import SignalError
from scheduler.carbon.family import Family, Scope
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping, unknown_zone
from scheduler.carbon.signals.trace_file import read_trace


class Coverage(NamedTuple):
    """What a trace holds of one zone: hours from `start` to `end`, of which some may be missing."""

    zone: str
    start: datetime
    end: datetime
    hours: int
    missing: int
    estimated: int


class Trace:
    """Carbon intensities from a CSV file, read once.

    Args:
        path: The file, or a folder of files.
        scope: Which emission factors it holds; of an export of Electricity Maps, which are read.

    Raises:
        SettingError: If a file cannot be read, or a line of it is malformed.
    """

    name = "trace"

    def __init__(self, path: Path, scope: Scope = "lifecycle") -> None:
        self._source = f"{self.name}:{path.name}"
        self._family = Family("average", scope, "consumption")
        self._hours = read_trace(path, scope)
        # A planner reads the same week again and again; a simulation does so for a year.
        self._made: dict[tuple[str, int], Reading] = {}

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones it knows, sorted."""
        return tuple(sorted(self._hours))

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every hour known that overlaps `[start, end)`; see `Signal.readings`."""
        if zone not in self._hours:
            raise unknown_zone(self.name, zone, self._hours)
        wanted, known = hours_overlapping(start, end), self._hours[zone]
        found = [
            self._made.get((zone, hour)) or self._make(zone, hour)
            for hour in wanted
            if hour in known
        ]
        if wanted and not found:
            raise SignalError(self._not_covered(zone, wanted[0]))
        return found

    def _make(self, zone: str, hour: int) -> Reading:
        start = hour_start(hour)
        reading = self._made[zone, hour] = Reading(
            zone=zone,
            start=start,
            end=start + HOUR,
            source=self._source,
            family=self._family,
            **self._hours[zone][hour]._asdict(),
        )
        return reading

    def span(self, zone: str) -> tuple[datetime, datetime]:
        """Return the begin of the first and of the last hour that a zone has a value for."""
        hours = self._hours[zone]
        return hour_start(min(hours)), hour_start(max(hours))

    def coverage(self, zone: str) -> Coverage:
        """Return what was read of a zone."""
        hours, (first, last) = self._hours[zone], self.span(zone)
        return Coverage(
            zone=zone,
            start=first,
            end=last + HOUR,
            hours=len(hours),
            missing=(last - first) // HOUR + 1 - len(hours),
            estimated=sum(hour.quality == "estimated" for hour in hours.values()),
        )

    def _not_covered(self, zone: str, hour: int) -> str:
        hours, (first, last) = self._hours[zone], self.span(zone)
        return (
            f"{self._source} has no value for {zone} in the hour from "
            f"{hour_start(hour).isoformat()}, so its carbon intensity is unknown then. It has "
            f"{len(hours)} hours from {first.isoformat()} to {last.isoformat()}: set "
            f"FAIRWIND_GRID_START and FAIRWIND_WALL_START so that the grid clock runs inside, "
            f"or fill the gap."
        )
