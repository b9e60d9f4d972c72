"""Statistics over seeds: means with their uncertainty, and whether differences are chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

_CONFIDENCE = 0.95
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, and half the width of its 95 % confidence interval; `None` with one value alone."""

    mean: float
    half: float | None


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of independent values and its 95 % interval by Student's t."""
    if len(values) < _FEWEST:
        return Estimate(fmean(values), None)
    t = float(stats.t.ppf((1 + _CONFIDENCE) / 2, len(values) - 1))
    return Estimate(fmean(values), t * stdev(values) / math.sqrt(len(values)))


@dataclass(frozen=True, slots=True)
class PairedRatio:
    """A geometric mean of ratios of pairs, and its 95 % interval.

    `low` and `high` are `None` with one pair alone.
    """

    mean: float
    low: float | None
    high: float | None


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> PairedRatio:
    """Return the ratio of paired positive values, with its interval.

    The mean and Student's t interval of the logarithms of the pairs' ratios, taken back to ratios:
    what all pairs share, such as an expensive start date, cancels.

    Args:
        ours: Positive values, one a pair; at least one.
        theirs: Positive values of the same pairs, in the same order.
    """
    found = estimate([math.log(a / b) for a, b in zip(ours, theirs, strict=True)])
    if found.half is None:
        return PairedRatio(math.exp(found.mean), None, None)
    low, high = found.mean - found.half, found.mean + found.half
    return PairedRatio(math.exp(found.mean), math.exp(low), math.exp(high))


def paired_p(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the p-value of a two-sided paired t-test on logarithms: of their ratio being 1.

    Args:
        ours: Positive values, one a seed.
        theirs: Positive values of the same seeds, in the same order.
    """
    logs = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
    if len(logs) < _FEWEST:
        return math.nan
    spread = stdev(logs)
    if spread == 0:
        return 1.0 if logs[0] == 0 else 0.0
    t = fmean(logs) / (spread / math.sqrt(len(logs)))
    return 2 * float(stats.t.sf(abs(t), len(logs) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6, 1979.
    """
    order = sorted(range(len(p_values)), key=lambda n: p_values[n])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, n in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[n]))
        corrected[n] = largest
    return corrected
