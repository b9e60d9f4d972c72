"""`make bench`: rounds of digits, updates of 10 and 50 million parameters, and the energy meter."""

from __future__ import annotations

import argparse

from benchmarks.energy import measure_meter
from benchmarks.rounds import CASES, measure
from benchmarks.table import print_result


def main() -> None:
    """Measure the cases asked for, one after the other, and print each as it is done."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument(
        "cases", nargs="*", choices=[*CASES, "energy", []], help="which; all if left out"
    )
    parser.add_argument("--clients", type=int, default=4)
    arguments = parser.parse_args()
    for name in arguments.cases or [*CASES, "energy"]:
        if name == "energy":
            measure_meter()
            continue
        print_result(measure(CASES[name], clients=arguments.clients))


main()
