"""`make bench`: rounds, links, encodings, energy, forecasts, means, models, plans, and so on."""

from __future__ import annotations

import argparse

from benchmarks.aggregation import measure_aggregation
from benchmarks.batched import measure_batched
from benchmarks.encodings import measure_encodings
from benchmarks.energy import measure_meter
from benchmarks.envelope import measure_envelope
from benchmarks.forecast_table import print_forecasts
from benchmarks.frozen import measure_frozen
from benchmarks.idle import measure_idle
from benchmarks.leaks import measure_leaks
from benchmarks.ledger import measure_ledger
from benchmarks.links import measure_links
from benchmarks.model import measure_model
from benchmarks.page import measure_page
from benchmarks.planning import measure_planning
from benchmarks.privacy import measure_privacy
from benchmarks.refresh import measure_refresh
from benchmarks.robust import measure_robust
from benchmarks.rounds import CASES, measure
from benchmarks.rounds_table import print_result, print_summary
from benchmarks.secagg import measure_secagg
from benchmarks.simulation import measure_simulation
from benchmarks.trust import measure_trust
from benchmarks.unequal_work import measure_unequal_work
from benchmarks.unlike_sites import measure_unlike_sites
from benchmarks.verbs import measure_verbs

_OTHERS = {
    "energy": measure_meter,
    "encodings": measure_encodings,
    "envelope": measure_envelope,
    "trust": measure_trust,
    "links": measure_links,
    "refresh": measure_refresh,
    "forecast": print_forecasts,
    "aggregation": measure_aggregation,
    "secagg": measure_secagg,
    "robust": measure_robust,
    "batched": measure_batched,
    "model": measure_model,
    "frozen": measure_frozen,
    "planning": measure_planning,
    "privacy": measure_privacy,
    "simulation": measure_simulation,
    "ledger": measure_ledger,
    "verbs": measure_verbs,
    "page": measure_page,
    "idle": measure_idle,
    "unequal_work": measure_unequal_work,
    "unlike_sites": measure_unlike_sites,
    "leaks": measure_leaks,
}
"""Benchmarks that are no rounds."""


def main() -> None:
    """Measure the given cases, one after the other, and print each as it is done."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument(
        "cases", nargs="*", choices=[*CASES, *_OTHERS, []], help="which; all if left out"
    )
    parser.add_argument("--clients", type=int, help="rounds: another number of them")
    parser.add_argument(
        "--million", action="store_true", help="ledger: also one of 1,000,000 events (ten minutes)"
    )
    arguments = parser.parse_args()
    results = []
    for name in arguments.cases or [*CASES, *_OTHERS]:
        if name == "ledger":
            measure_ledger(million=arguments.million)
        elif name in _OTHERS:
            _OTHERS[name]()
        else:
            results.append(measure(CASES[name], clients=arguments.clients))
            print_result(results[-1])
    if results:
        print_summary(results)


main()
