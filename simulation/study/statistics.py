"""Statistics over seeds: means and paired ratios, with their uncertainty."""

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
