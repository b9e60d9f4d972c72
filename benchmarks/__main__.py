"""`make bench`: rounds of digits, and updates of 10 and 50 million parameters."""

from __future__ import annotations

import argparse

from benchmarks.rounds import CASES, measure
from benchmarks.table import print_result


def main() -> None:
    """Measure the cases asked for, one after the other, and print each as it is done."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="which; all if left out")
    parser.add_argument("--clients", type=int, default=4)
    arguments = parser.parse_args()
    for name in arguments.cases or CASES:
        print_result(measure(CASES[name], clients=arguments.clients))


main()
