"""`make bench`: rounds, updates, energy, grids, forecasts, plans, ledgers, verbs, the page."""

from __future__ import annotations

import argparse

from benchmarks.batched import measure_batched
from benchmarks.energy import measure_meter
from benchmarks.forecast_table import print_forecasts
from benchmarks.idle import measure_idle
from benchmarks.ledger import measure_ledger
from benchmarks.page import measure_page
from benchmarks.planning import measure_planning
from benchmarks.refresh import measure_refresh
from benchmarks.rounds import CASES, measure
from benchmarks.rounds_table import print_result
from benchmarks.simulation import measure_simulation
from benchmarks.verbs import measure_verbs

_OTHERS = {
    "energy": measure_meter,
    "refresh": measure_refresh,
    "forecast": print_forecasts,
    "batched": measure_batched,
    "planning": measure_planning,
    "simulation": measure_simulation,
    "ledger": measure_ledger,
    "verbs": measure_verbs,
    "page": measure_page,
    "idle": measure_idle,
}
"""Benchmarks that are no rounds."""


def main() -> None:
    """Measure the given cases, one after the other, and print each as it is done."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument(
        "cases", nargs="*", choices=[*CASES, *_OTHERS, []], help="which; all if left out"
    )
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument(
        "--million", action="store_true", help="ledger: also one of 1,000,000 events (ten minutes)"
    )
    arguments = parser.parse_args()
    for name in arguments.cases or [*CASES, *_OTHERS]:
        if name == "ledger":
            measure_ledger(million=arguments.million)
        elif name in _OTHERS:
            _OTHERS[name]()
        else:
            print_result(measure(CASES[name], clients=arguments.clients))


main()
