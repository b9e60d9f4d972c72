"""A round of a model of which most is frozen, beside one of its trained part alone."""

from __future__ import annotations

import statistics

from benchmarks.rounds import Case, Result, measure

_ALONE = Case("1 M parameters", "benchmarks.workloads:m1", 12, 1_000_000, 0.3)
_BESIDE = Case("the same beside 100 M frozen", "benchmarks.workloads:m1_of_101", 12, 1_000_000, 0.4)
_REPEATS = 2


def measure_frozen() -> None:
    """Run both in turns; print a round, and the first one, in which sites pull the frozen part."""
    alone: list[Result] = []
    beside: list[Result] = []
    for _ in range(_REPEATS):
        alone.append(measure(_ALONE))
        beside.append(measure(_BESIDE))
    print(f"\n{'4 clients':<32}{'a round':>10}{'the first':>12}")
    for results in (alone, beside):
        first = statistics.median(each.first_took_s for each in results)
        print(f"{results[0].case.name:<32}{_round_s(results):>8.3f} s{first:>10.2f} s")
    print(f"{'ratio':<32}{_round_s(beside) / _round_s(alone):>8.2f}", flush=True)


def _round_s(results: list[Result]) -> float:
    """Return the median of all rounds after the first."""
    return statistics.median(seconds for each in results for seconds in each.rounds_s)
