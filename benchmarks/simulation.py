"""Simulation: seconds a round with learning, and a year of hourly scheduling without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from simulation.run import simulate
from simulation.scenario.loading import load_scenario
from simulation.scenario.scenario import Scenario

_YEAR_H = 8760
_MEASURED_H = 1440
"""Two months stand for the year, whose clients and hours cost the same."""

_ZONES = ("AT", "BE", "CA-ON", "DE", "DK-DK1", "ES", "FI", "FR", "GB", "IT-NO", "NL", "PL", "PT")


def measure_simulation() -> None:
    """Print what a simulated round and a simulated year take on one core, beside the targets."""
    print("\nsimulation, one core")
    for clients, target_s in ((100, 0.1), (1000, 0.3)):
        scenario = _learning(clients)
        took = list(_rounds_s(scenario))
        print(
            f"  digits, {clients:>5} clients  {median(took):.3f} s a round, all in "
            f"({min(took):.3f} to {max(took):.3f}); aimed at {target_s:g} s"
        )
    for clients in (100, 1000):
        took_s = _year_s(_scheduling(clients))
        print(
            f"  a year of rounds without learning, {clients:>5} clients  {took_s:.0f} s "
            f"(from {_MEASURED_H} h)" + ("; aimed at 60 s" if clients == 1000 else "")  # noqa: PLR2004
        )


def _rounds_s(scenario: Scenario) -> Iterator[float]:
    marks: list[float] = []
    simulate(scenario, on_round=lambda _: marks.append(time.perf_counter()))
    return (after - before for before, after in pairwise(marks))


def _year_s(scenario: Scenario) -> float:
    simulate(scenario.altered(run={"hours": 1}))  # reads what is read once
    begun = time.process_time()
    simulate(scenario)
    return (time.process_time() - begun) * _YEAR_H / _MEASURED_H


def _learning(clients: int) -> Scenario:
    return load_scenario("demo").altered(
        name="speed",
        gate="off",
        workload={"split": {"kind": "resampled", "size": 14}},
        run={"policy": "all", "cohort": None, "over_selection": 0.0, "rounds": 12,
             "hyperparameters": {"epochs": 1}},
        clients=[{"count": clients, "zone": _ZONES, "machine": "V100"}],
    )  # fmt: skip


def _scheduling(clients: int) -> Scenario:
    return load_scenario("demo").altered(
        name="year",
        workload={"name": "none"},
        run={"policy": "random", "cohort": 10, "quorum": 5, "rounds": None, "hours": _MEASURED_H},
        clients=[{"count": clients, "zone": _ZONES, "machine": "V100", "num_examples": 500}],
    )
