"""Small worlds for the tests: scenarios that take milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from simulation.scenario.loading import parse_scenario
from simulation.scenario.scenario import Scenario

START = "2022-05-02T00:00:00Z"


def body(**changes: Any) -> dict[str, Any]:
    """Four clients of 100 examples, 100 a second each, at 360 W: a round takes 1 s and 0.1 Wh."""
    group = {"count": 4, "zone": "FR", "power_w": 360, "examples_per_s": 100, "num_examples": 100}
    usual: dict[str, Any] = {
        "name": "world",
        "start": START,
        "signal": {"kind": "flat", "gco2eq_per_kwh": 100},
        "forecast": {"mode": "perfect"},
        "run": {"policy": "all", "rounds": 3, "quorum": 2},
        "clients": [group],
    }
    return usual | changes


def world(**changes: Any) -> Scenario:
    return parse_scenario(body(**changes), source="world.toml")


def group(**changes: Any) -> dict[str, Any]:
    first: dict[str, Any] = body()["clients"][0]
    return first | changes


def trace(
    folder: Path, columns: Mapping[str, Sequence[float | None]], *, start: str = "2022-05-01"
) -> Path:
    """Write a trace whose first values hold from the midnight of `start` on."""
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    lines = ["datetime," + ",".join(columns)]
    for hour, values in enumerate(zip(*columns.values(), strict=True)):
        at = first + timedelta(hours=hour)
        cells = ("" if value is None else str(value) for value in values)
        lines.append(f"{at:%Y-%m-%dT%H:%MZ}," + ",".join(cells))
    path = folder / "trace.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
