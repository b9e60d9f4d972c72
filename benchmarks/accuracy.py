"""What a benchmark of learning prints of its runs: accuracies on the way and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

_PERCENT = 100.0


def columns(runs: Sequence[Sequence[float]], logged: Sequence[int], last: int) -> str:
    """Return the mean accuracy of runs in % after some rounds, and over the last ones.

    Args:
        runs: The accuracy after each round, by run.
        logged: Rounds, from 1.
        last: Over how many of the last rounds the mean is taken.
    """
    on_the_way = [mean(run[number - 1] for run in runs) for number in logged]
    at_the_end = mean(mean(run[-last:]) for run in runs)
    return " ".join(f"{_PERCENT * each:6.2f}" for each in [*on_the_way, at_the_end])
