"""A simulation against a real federation: the same decisions and, to the bit, the same model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.clock import wall_now
from simulation.run import simulate
from simulation.scenario.scenario import Scenario
from tests.integration.fleet import running_fleet

CLIENTS = {"FR-01": "FR", "ES-01": "ES", "DE-01": "DE", "GB-01": "GB"}
MIDNIGHT = datetime(2022, 5, 2, tzinfo=UTC)
CLEAN_H = 60
HOUR_S = 6.0

ROUNDS = 8
RUN: dict[str, Any] = {
    "policy": "random", "cohort": 2, "quorum": 2, "rounds": ROUNDS, "cron": "30 * * * *",
}  # fmt: skip

DIRTY = {
    "FR": "...#......#...",
    "ES": "..#..##.#.#..#",
    "DE": ".##.#.###...#.",
    "GB": "....##.##.##..",
}
"""From hour 60 on, over and over: in which hours a grid is dirty. Sometimes all but one are."""


def trace() -> str:
    """Return a trace: all grids clean for 60 hours, as long as the processes take to start."""
    lines = ["datetime," + ",".join(DIRTY)]
    for hour in range(CLEAN_H + 24 * 7):
        values = [
            400 if hour >= CLEAN_H and pattern[(hour - CLEAN_H) % len(pattern)] == "#" else 100
            for pattern in DIRTY.values()
        ]
        at = MIDNIGHT + timedelta(hours=hour)
        lines.append(f"{at:%Y-%m-%dT%H:%MZ}," + ",".join(map(str, values)))
    return "\n".join(lines) + "\n"


@pytest.mark.long
def test_a_simulation_decides_and_learns_what_a_real_federation_does(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(trace())
    settings = {
        "FAIRWIND_SIGNAL": "trace",
        "FAIRWIND_TRACE_PATH": str(path),
        "FAIRWIND_METER": "constant",
        "FAIRWIND_CONSTANT_W": "200",
        "FAIRWIND_WALL_START": wall_now().isoformat(),
        "FAIRWIND_GRID_START": (MIDNIGHT + timedelta(hours=30)).isoformat(),
        "FAIRWIND_GRID_SPEED": str(3600 / HOUR_S),
    }
    with running_fleet(tmp_path / "federation", CLIENTS, settings=settings) as fleet:
        fleet.start_run("twin", **RUN, deadline=60)
        real = fleet.wait_ended("twin")
    assert real.grid_started_at < MIDNIGHT + timedelta(hours=CLEAN_H)
    outcome = simulate(
        Scenario.model_validate(
            {
                "name": "twin",
                "start": real.grid_started_at,
                "signal": {"kind": "trace", "path": path},
                "workload": {
                    "name": "digits", "split": {"kind": "dirichlet", "seed": 0}, "batched": False,
                },
                "run": {**RUN, "deadline_s": 60},
                "clients": [
                    {"zone": tuple(CLIENTS.values()), "count": len(CLIENTS), "power_w": 200,
                     "examples_per_s": 1000},
                ],
            }
        )
    )  # fmt: skip
    assert [r.cohort for r in outcome.rounds] == [closed.cohort for closed in real.closed]
    assert len({r.cohort for r in outcome.rounds}) > 1
    hours = [(c.started - real.grid_started_at) // timedelta(hours=1) for c in real.closed]
    assert [int(r.started_h) for r in outcome.rounds] == hours
    assert [r.metrics for r in outcome.rounds] == [closed.metrics for closed in real.closed]
    assert outcome.version == real.version
    assert outcome.end_reason == real.end_reason
