"""Forecasts that a provider really issued, and what the grids did: read from one file.

The file is a CSV, plain or gzipped, with a row for each forecast hour of each daily issue::

    zone,issued_at,timestamp,gCO2eq_per_kWh,actual_gCO2eq_per_kWh

Without the columns ``issued_at`` and ``actual_gCO2eq_per_kWh``, ``gCO2eq_per_kWh`` is what the
grids did, and there is no forecast.

The figures are average, life-cycle and production-based, as CarbonCast publishes them.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

from common.errors import SettingError, SignalError
from scheduler.carbon.family import Family
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_number, hour_start, hours_overlapping, unknown_zone

FAMILY = Family("average", "lifecycle", "production")


@dataclass(frozen=True)
class Records:
    """The values of a file; hours are UTC hours, counted from 1970.

    Attributes:
        actual: By zone and hour, gCO2eq/kWh.
        issued: By zone, hour of issue and hour that is forecast, gCO2eq/kWh.
    """

    actual: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    issued: dict[str, dict[int, dict[int, float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )


@cache
def read_records(path: Path) -> Records:
    """Return what a file of recorded forecasts holds.

    Raises:
        SettingError: If it cannot be read.
    """
    records = Records()
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            for row in csv.DictReader(file):
                hour, value = _hour(row["timestamp"]), float(row["gCO2eq_per_kWh"])
                if "issued_at" not in row:
                    records.actual[row["zone"]][hour] = value
                    continue
                records.actual[row["zone"]][hour] = float(row["actual_gCO2eq_per_kWh"])
                records.issued[row["zone"]][_hour(row["issued_at"])][hour] = value
    except (OSError, KeyError, ValueError, TypeError) as error:
        msg = (
            f"The recorded forecasts {path} cannot be read ({type(error).__name__}: {error}), so "
            "nothing was simulated. Give a CSV with zone, issued_at, timestamp, gCO2eq_per_kWh and "
            "actual_gCO2eq_per_kWh."
        )
        raise SettingError(msg) from error
    return records


@cache
def _hour(text: str) -> int:
    return hour_number(datetime.fromisoformat(text))


class Actual:
    """The signal of what the grids did, as the file of recorded forecasts holds it."""

    name = "recorded"

    def __init__(self, path: Path) -> None:
        self._source = f"{self.name}:{path.name}"
        self._hours = read_records(path).actual

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones it knows, sorted."""
        return tuple(sorted(self._hours))

    def span(self, zone: str) -> tuple[datetime, datetime]:
        """Return the begin of the first and of the last hour that a zone has a value for."""
        return hour_start(min(self._hours[zone])), hour_start(max(self._hours[zone]))

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every hour known that overlaps `[start, end)`; see `Signal.readings`."""
        if zone not in self._hours:
            raise unknown_zone(self.name, zone, self._hours)
        known = self._hours[zone]
        found = [
            Reading(
                zone=zone, start=hour_start(hour), end=hour_start(hour) + HOUR,
                gco2eq_per_kwh=known[hour], source=self._source, family=FAMILY, quality="measured",
            )
            for hour in hours_overlapping(start, end)
            if hour in known
        ]  # fmt: skip
        if not found:
            msg = (
                f"{self._source} has no value for {zone} from {start.isoformat()}, so its carbon "
                f"intensity is unknown then. Its last hour: {self.span(zone)[1].isoformat()}."
            )
            raise SignalError(msg)
        return found
