"""What the forecast benchmark is run on: real grids, or the typical day where there are none."""

from __future__ import annotations

import csv
import gzip
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.signal import hour_number
from scheduler.carbon.signals.trace_file import read_trace
from scheduler.carbon.signals.typical_day import TypicalDay

Hours = dict[int, float]
"""Carbon intensity in gCO2eq/kWh by UTC hour, counted from 1970."""

Published = dict[int, list[float]]
"""Forecasts of others in gCO2eq/kWh, by the UTC hour, counted from 1970, that they begin at."""

LEADS = 96
"""Hours."""

_DAY = 24


@dataclass(frozen=True)
class Dataset:
    """Zones, and from which hours forecasts of them are issued.

    Attributes:
        name: For people.
        family: What its figures count.
        hours: What each zone did.
        origins: UTC hours, counted from 1970: each forecast begins there and knows nothing of it.
        published: Others' forecasts from the same origins, by zone; empty if there are none.
    """

    name: str
    family: Family
    hours: dict[str, Hours]
    origins: range
    published: dict[str, Published] = field(default_factory=dict)


def datasets() -> list[Dataset]:
    """Return the data sets in the folder that ``FAIRWIND_DATA`` names, or else the typical day."""
    folder = os.environ.get("FAIRWIND_DATA")
    if folder and Path(folder).is_dir():
        return [_carboncast(Path(folder)), _electricity_maps(Path(folder))]
    print("FAIRWIND_DATA names no folder of real data, so the typical day's zones are forecast.")
    return [_typical_day()]


def _carboncast(folder: Path) -> Dataset:
    hours: defaultdict[str, Hours] = defaultdict(dict)
    for row in _rows(folder / "carboncast2020-2021_actual_13zones.csv.gz"):
        hours[row["zone"]][_hour(row["timestamp"])] = float(row["gCO2eq_per_kWh"])
    published: defaultdict[str, Published] = defaultdict(lambda: defaultdict(list))
    for row in _rows(folder / "carboncast2021H2_forecast96h_13zones.csv.gz"):
        published[row["zone"]][_hour(row["issued_at"])].append(float(row["gCO2eq_per_kWh"]))
    return Dataset(
        "CarbonCast, July to December 2021, every day at 00:00Z",
        Family("average", "lifecycle", "production"),
        hours,
        range(_hour("2021-07-01T00:00Z"), _hour("2021-12-28T00:00Z"), _DAY),
        published,
    )


def _electricity_maps(folder: Path) -> Dataset:
    trace = read_trace(folder / "em2022_lifecycle_31zones_wide.csv.gz")
    return Dataset(
        "Electricity Maps, March to December 2022, every third day at 00:00Z",
        FLOW_TRACED,
        {
            zone: {h: value.gco2eq_per_kwh for h, value in hours.items()}
            for zone, hours in trace.items()
        },
        range(_hour("2022-03-01T00:00Z"), _hour("2022-12-27T00:00Z"), 3 * _DAY),
    )


def _typical_day() -> Dataset:
    signal = TypicalDay()
    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    hours = {
        zone: {hour_number(r.start): r.gco2eq_per_kwh for r in signal.readings(zone, start, end)}
        for zone in signal.zones()
    }
    origins = range(_hour("2025-03-01T00:00Z"), _hour("2025-12-27T00:00Z"), 10 * _DAY)
    return Dataset(
        "Typical day, 2025, every tenth day at 00:00Z: shape real, weather drawn",
        FLOW_TRACED,
        hours,
        origins,
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _hour(text: str) -> int:
    return hour_number(datetime.fromisoformat(text))
