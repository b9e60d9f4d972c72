"""The federations of the study: which clients are where, on which machines, and what they learn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from simulation.scenario.scenario import Scenario

YEAR_2022 = Path("em2022_lifecycle_31zones_wide.csv.gz")
RECORDED = Path("carboncast2021H2_forecast96h_13zones.csv.gz")
YEAR_2020 = Path("carboncast2020-2021_actual_13zones.csv.gz")
"""The year that is held out: no policy, option or default was chosen on it. The constants of our
own forecast (mode `own`) partly were, so that no run on it may read that."""

MIXED = (
    "AT", "AU-NSW", "BE", "BR-CS", "CA-ON", "CA-QC", "CH", "DE", "DK-DK1", "ES", "FI", "FR", "GB",
    "GR", "IE", "IT-NO", "JP-TK", "NL", "NO-NO1", "NO-NO2", "PL", "PT", "SE-SE3", "SE-SE4",
    "US-CAL-CISO", "US-MIDA-PJM", "US-NY-NYIS", "US-TEX-ERCO", "ZA",
)  # fmt: skip
"""All of the year's zones but IN-WE and SG, whose hours are mostly estimated or nearly flat."""

SPATIAL = (
    "NO-NO1", "CA-QC", "SE-SE3", "BR-CS", "US-NY-NYIS", "US-MIDA-PJM", "JP-TK", "AU-NSW", "ZA",
    "PL",
)  # fmt: skip
"""Far apart in the mean, and each nearly the same all day."""

TEMPORAL = ("DE", "GB", "ES", "DK-DK1", "US-CAL-CISO", "IE")
"""Like means, wide swings."""

DIRTY = ("PL", "ZA", "AU-NSW", "JP-TK", "DE", "GR", "US-MIDA-PJM")

REAL = (
    "AU-QLD", "DE", "ES", "NL", "PL", "SE", "US-CAL-CISO", "US-FLA-FPL", "US-MIDA-PJM",
    "US-NE-ISNE", "US-NW-BPAT", "US-NY-NYIS", "US-TEX-ERCO",
)  # fmt: skip
"""Those of which forecasts were recorded."""

TREATED = ("US-NE-ISNE", "US-TEX-ERCO", "US-NW-BPAT", "US-MIDA-PJM", "DE", "US-NY-NYIS")
"""Grids for TCGA-BRCA's regions: Northeast, South, West, Midwest, Europe, and for Canada, of which
there is none, New York's, the nearest."""

PAPER = ("BE", "GB", "IE", "FI", "SE-SE3", "DE", "FR")

MACHINES = ((70.0, 1.0), (150.0, 1.5), (250.0, 2.0))
"""W, and examples trained on each second: the faster, the more energy an example takes."""

TYPICAL: dict[str, Any] = {"start": "2022-06-01T00:00:00Z"}
TRACED: dict[str, Any] = TYPICAL | {"signal": {"kind": "trace", "path": YEAR_2022}}
FLAT: dict[str, Any] = TYPICAL | {
    "signal": {"kind": "flat", "gco2eq_per_kwh": 300}, "forecast": {"mode": "perfect"},
}  # fmt: skip
REPLAYED: dict[str, Any] = {
    "start": "2021-07-08T00:00:00Z",
    "signal": {"kind": "recorded", "path": RECORDED},
    "forecast": {"mode": "recorded", "path": RECORDED},
}
"""A week into the records: what is forecast from the past needs one."""
HELD_OUT: dict[str, Any] = {
    "start": "2020-06-01T00:00:00Z",
    "signal": {"kind": "recorded", "path": YEAR_2020},
    "forecast": {"mode": "ar1"},
}

_DATES = ("02-08", "04-19", "06-28", "09-06", "11-15")
"""Ten weeks apart, and on other days of the week than each other."""

_RECORDED_DATES = ("2021-07-08", "2021-08-11", "2021-09-14", "2021-10-18", "2021-11-21")
"""The records go from July to December."""

_RUN: dict[str, Any] = {
    "rounds": 120, "hours": 336, "cohort": 10, "quorum": 5, "cron": "0 * * * *", "deadline_s": 3000,
    "hyperparameters": {"epochs": 5, "learning_rate": 0.3},
}  # fmt: skip
"""A round an hour at most, and nearly three times as many hours as rounds."""


def clients(
    zones: Sequence[str],
    count: int = 100,
    *,
    machines: Sequence[tuple[float, float]] = MACHINES,
    **more: Any,
) -> list[dict[str, Any]]:
    """Return so many clients, dealt to machines and zones so that each zone has all machines.

    Args:
        zones: Where they are.
        count: How many in all.
        machines: W and examples per second of each kind.
        more: Further values of all of them; see `ClientPart`.
    """
    groups = []
    for kind, (power_w, examples_per_s) in enumerate(machines):
        first = kind * 10 % len(zones)
        groups.append(
            {
                "count": len(range(kind, count, len(machines))),
                "zone": (*zones[first:], *zones[:first]),
                "power_w": power_w, "examples_per_s": examples_per_s, "speed_jitter": 0.1,
            }
            | more
        )  # fmt: skip
    return groups


def federation(
    name: str,
    grids: dict[str, Any],
    sites: list[dict[str, Any]],
    *,
    workload: str = "digits",
    split: dict[str, Any] | None = None,
    **run: Any,
) -> Scenario:
    """Return a federation whose gates are always open: policies are compared, not gates.

    Args:
        name: Of the scenario.
        grids: Start, signal and forecast.
        sites: As `clients` returns them.
        workload: What is learned.
        split: How examples are divided; Dirichlet 0.5 if left out.
        run: Where its runs differ from `_RUN`.
    """
    return Scenario.model_validate(
        {
            "name": name, "seed": 1, "gate": "off", "run": _RUN | run, "clients": sites,
            "workload": {"name": workload, "split": split or {"kind": "dirichlet", "alpha": 0.5}},
        }
        | grids
    )  # fmt: skip


def starts(base: Scenario, count: int) -> tuple[datetime, ...]:
    """Return so many dates, spread over the year of a federation's grids.

    Seeds that share a start share its weather, and intervals over them contain none.
    """
    year = base.start.year
    is_half = base.signal.path == RECORDED
    dates = _RECORDED_DATES if is_half else [f"{year}-{date}" for date in _DATES]
    spread = [dates[round(n * (len(dates) - 1) / max(count - 1, 1))] for n in range(count)]
    return tuple(datetime.fromisoformat(f"{date}T00:00:00+00:00") for date in spread)
