"""The table of typical days: what `typical_day.py` draws the hours of a zone from.

Contains carbon-intensity data from Electricity Maps (electricitymaps.com), ODbL 1.0.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("typical_day.csv")


@dataclass(frozen=True)
class DayShape:
    """One zone's row of the table: all but the mean are relative to the mean."""

    mean_gco2eq_per_kwh: float
    season_cos: float
    season_sin: float
    day_cos: float
    day_sin: float
    halfday_cos: float
    halfday_sin: float
    season_x_day_cos: float
    season_x_day_sin: float
    season_x_halfday_cos: float
    season_x_halfday_sin: float
    residual_std: float
    residual_ar1_per_hour: float


@cache
def typical_days() -> dict[str, DayShape]:
    """Return the table, by zone."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {
            row.pop("zone"): DayShape(**{name: float(text) for name, text in row.items()})
            for row in rows
        }
