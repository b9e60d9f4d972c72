"""What a zone did, hour by hour: readings of any slots made into a series without gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from scheduler.carbon.family import Family
from scheduler.carbon.reading import SUREST_FIRST, Reading
from scheduler.carbon.signal import HOUR, hours_overlapping
from scheduler.carbon.signals.weather import Floats

DAY = 24
"""Hours."""

WINDOW = 8 * 7 * DAY
"""Hours. Older readings are of other seasons and other power plants."""

_LEAST_KNOWN = 0.75
"""Of the hours that a forecast rests on, at least this share was read and not filled in."""

_SHORT_GAP = 3
"""Hours. Shorter gaps are bridged by a line; longer ones take the same hour of a day nearby."""

_OUTLIERS = (0.01, 0.99)
"""Beyond these quantiles by more than their distance, a figure is a fault of its source."""

_UNSURE = ("forecast", "stale")
_HOUR_S = HOUR.total_seconds()


@dataclass(frozen=True, slots=True, eq=False)
class HourlyHistory:
    """A zone's last days, hourly.

    Attributes:
        zone: Electricity Maps zone id.
        source: The signal it came from.
        family: What its figures count.
        end_hour: The first UTC hour, counted from 1970, that is not in it.
        values: Carbon intensities in gCO2eq/kWh, shape `(n,)`: whole days, and no gap.
    """

    zone: str
    source: str
    family: Family
    end_hour: int
    values: Floats

    @property
    def nearness(self) -> Floats:
        """How near each hour's time of day is to that of the last hour, from 0 to 1; `(n,)`.

        What is to be learnt for a forecast issued at noon is learnt best from those of past noons.
        It is the density of von Mises' distribution, the normal one on a circle, with kappa = 1.
        """
        hours_ago = np.arange(len(self.values))[::-1]
        near: Floats = np.exp(np.cos(2 * np.pi * hours_ago / DAY) - 1)
        return near

    def weekend(self, leads: int) -> npt.NDArray[np.bool_]:
        """Return which hours are on a UTC weekend, `leads` after the last included; `(n + leads,)`.

        Hour 0 of 1970 was on a Thursday.
        """
        hours = np.arange(self.end_hour - len(self.values), self.end_hour + leads)
        weekend: npt.NDArray[np.bool_] = (hours // DAY + 3) % 7 >= 5  # noqa: PLR2004 Saturday
        return weekend


def days_ahead(lead: int) -> int:
    """Return how many days before the hour `lead` hours ahead its time of day was last known."""
    return -(-lead // DAY)


def history_of(zone: str, readings: Sequence[Reading], *, now: datetime) -> HourlyHistory | None:
    """Return what is known of a zone up to `now`; `None` if that is less than a day.

    Args:
        zone: Electricity Maps zone id; readings of other zones are not looked at.
        readings: In any order, of any source, quality and length of slot.
        now: Nothing that ended later is looked at; aware.
    """
    earliest = now - WINDOW * HOUR
    known = [
        r
        for r in readings
        if r.zone == zone and r.quality not in _UNSURE and earliest < r.end <= now
    ]
    if not known:
        return None
    sources = Counter((r.source, r.family) for r in known)
    (source, family), _ = sources.most_common(1)[0]
    surest = {r.start: r for r in sorted(known, key=_least_sure_first) if r.source == source}
    present = hours_overlapping(now, now + HOUR)[0]
    hours = range(present - WINDOW, present)
    values = _hourly([r for r in surest.values() if r.family == family], hours)
    values, end_hour = _trailing_days(values, present)
    if not values.size:
        return None
    return HourlyHistory(zone, source, family, end_hour, _without_outliers(_filled(values)))


def _least_sure_first(reading: Reading) -> int:
    return -SUREST_FIRST.index(reading.quality)


def _hourly(readings: Sequence[Reading], hours: range) -> Floats:
    """Return the mean of each hour, weighted by time; NaN where less than half of it is known."""
    times_s = np.array([(r.start.timestamp(), r.end.timestamp()) for r in readings])
    in_hours = (times_s - hours.start * _HOUR_S) / _HOUR_S
    start, end = np.clip(in_hours, 0, len(hours)).T  # (readings,) each
    first = np.floor(start).astype(int)
    count = np.ceil(end).astype(int) - first
    # A reading longer than an hour counts once for each hour that it overlaps.
    which = np.repeat(np.arange(len(readings)), count)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    hour = first[which] + nth
    share = np.minimum(end[which], hour + 1) - np.maximum(start[which], hour)
    value = np.array([r.gco2eq_per_kwh for r in readings])[which]
    covered = np.bincount(hour, share, minlength=len(hours))
    total = np.bincount(hour, share * value, minlength=len(hours))
    enough = covered >= 0.5  # noqa: PLR2004 half of the hour
    means: Floats = np.where(enough, total / np.where(enough, covered, 1), np.nan)
    return means


def _trailing_days(values: Floats, end_hour: int) -> tuple[Floats, int]:
    """Return the most days up to the last known hour of which enough is known, and their end."""
    at = np.flatnonzero(~np.isnan(values))
    if not at.size:
        return values[:0], end_hour
    known = ~np.isnan(values[at[0] : at[-1] + 1])
    share = np.cumsum(known[::-1])[DAY - 1 :: DAY] / np.arange(DAY, len(known) + 1, DAY)
    days = int(np.max(np.flatnonzero(share >= _LEAST_KNOWN) + 1, initial=0))
    end = int(at[-1]) + 1
    return values[end - days * DAY : end], end_hour - len(values) + end


def _filled(values: Floats) -> Floats:
    """Return the values with their gaps filled."""
    known = ~np.isnan(values)
    if known.all():
        return values
    at = np.arange(len(values))
    line = np.interp(at, at[known], values[known])
    before = np.maximum.accumulate(np.where(known, at, -len(at)))
    after = np.minimum.accumulate(np.where(known, at, 2 * len(at))[::-1])[::-1]
    filled = np.where(after - before <= _SHORT_GAP + 1, line, values)
    days = filled.reshape(-1, DAY)
    for day, next_day in (*pairwise(range(len(days))), *pairwise(range(len(days) - 1, -1, -1))):
        np.copyto(days[next_day], days[day], where=np.isnan(days[next_day]))
    return np.where(np.isnan(filled), line, filled)


def _without_outliers(values: Floats) -> Floats:
    low, high = np.quantile(values, _OUTLIERS)
    bounded: Floats = np.clip(values, 2 * low - high, 2 * high - low)
    return bounded
