"""A zone's own last seven days: what is clean for it, and what is usual."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from scheduler.carbon.reading import Reading

WEEK = timedelta(days=7)
DAY = timedelta(days=1)

CLEAN_QUANTILE = 0.3
USUAL_QUANTILE = 0.5

UNKNOWN: Mapping[str, float] = {}
"""The week of a zone of which too little is known, or whose hours are all alike."""


def week_of(reading: Reading, history: Sequence[Reading], now: datetime) -> Mapping[str, float]:
    """Return the 30 % and 50 % quantiles of a zone's last seven days, each named with its unit.

    Args:
        reading: What holds now.
        history: Readings in any order. Left out are other zones, other families and sources than
            of `reading`, and what lies before those days or after `now`.
        now: The time on the grid clock, aware.

    Returns:
        `q30_gco2eq_per_kwh` and `q50_gco2eq_per_kwh`; nothing with less than a day of history.
    """
    earliest = now - WEEK
    week = [
        r
        for r in history
        if r.start <= now and r.end > earliest and r.zone == reading.zone
        if (r.family, r.source) == (reading.family, reading.source)
    ]
    values = sorted(r.gco2eq_per_kwh for r in week)
    if sum((r.end - r.start for r in week), timedelta()) < DAY:
        return UNKNOWN
    return quantiles(values)


def quantiles(ordered: Sequence[float]) -> Mapping[str, float]:
    """Return the quantiles of a week's intensities, sorted and at least one; see `week_of`."""
    # A flat week, such as a yearly mean gives, cannot separate clean hours from dirty ones.
    if ordered[0] == ordered[-1]:
        return UNKNOWN
    return {
        "q30_gco2eq_per_kwh": _quantile(ordered, CLEAN_QUANTILE),
        "q50_gco2eq_per_kwh": _quantile(ordered, USUAL_QUANTILE),
    }


def _quantile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    below, above = ordered[math.floor(position)], ordered[math.ceil(position)]
    return below + (above - below) * (position - math.floor(position))
