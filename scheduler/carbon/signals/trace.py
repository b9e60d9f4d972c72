"""The signal that replays a recorded trace: what grids really did, hour by hour.

A trace must hold average, life-cycle, consumption-based intensities, as Electricity Maps publishes
them, because every reading is labelled so. Its format is described in `trace_file.py`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from common.errors import SignalError
from scheduler.carbon.family import FLOW_TRACED
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping, unknown_zone
from scheduler.carbon.signals.trace_file import read_trace


class Trace:
    """Carbon intensities from a CSV file, read once.

    Args:
        path: The file.

    Raises:
        SettingError: If the file cannot be read, or a line of it is malformed.
    """

    name = "trace"

    def __init__(self, path: Path) -> None:
        self._source = f"{self.name}:{path.name}"
        self._hours = read_trace(path)
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
            family=FLOW_TRACED,
            quality="measured",
            **self._hours[zone][hour]._asdict(),
        )
        return reading

    def span(self, zone: str) -> tuple[datetime, datetime]:
        """Return the begin of the first and of the last hour that a zone has a value for."""
        hours = self._hours[zone]
        return hour_start(min(hours)), hour_start(max(hours))

    def _not_covered(self, zone: str, hour: int) -> str:
        hours, (first, last) = self._hours[zone], self.span(zone)
        return (
            f"{self._source} has no value for {zone} in the hour from "
            f"{hour_start(hour).isoformat()}, so its carbon intensity is unknown then. It has "
            f"{len(hours)} hours from {first.isoformat()} to {last.isoformat()}: set "
            f"FAIRWIND_GRID_START and FAIRWIND_WALL_START so that the grid clock runs inside, "
            f"or fill the gap."
        )
