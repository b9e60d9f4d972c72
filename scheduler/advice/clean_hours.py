"""The best hours: in the next 24 by the forecast, and in the typical week by history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean

from common.errors import SignalError
from scheduler.carbon.mean import mean_over
from scheduler.carbon.reading import SUREST_FIRST, Reading
from scheduler.carbon.signal import HOUR
from scheduler.ledger.events.grid import Quality

SHOWN_HOURS = 3
WINDOW_HOURS = 6
"""How long the window is in which a site is advised to train: long enough for several rounds."""

_WEEK_HOURS = 168
_FLAT = 0.01
"""Hours that differ by less than this share are the same to us: no forecast is surer."""


@dataclass(frozen=True, slots=True)
class HourAhead:
    """One hour to come. Intensity in gCO2eq/kWh, with the forecast's 10 % and 90 % quantiles."""

    start: datetime
    gco2eq_per_kwh: float
    low_gco2eq_per_kwh: float | None
    high_gco2eq_per_kwh: float | None
    quality: Quality


@dataclass(frozen=True, slots=True)
class Outlook:
    """The next 24 hours: how it is now, the mean, and the cleanest hours in order of time."""

    now_gco2eq_per_kwh: float
    mean_gco2eq_per_kwh: float
    best: tuple[HourAhead, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Week:
    """The typical week: 168 mean intensities, gCO2eq/kWh, from Monday 00:00 UTC on."""

    gco2eq_per_kwh: tuple[float, ...]
    days: int

    def window(self, *, best: bool, hours: int = SHOWN_HOURS) -> tuple[int, float]:
        """Return when the cleanest (or dirtiest) window of so many hours begins, and its mean.

        The beginning is counted in hours from Monday 00:00 UTC; a window may run into Monday.
        """
        twice = self.gco2eq_per_kwh * 2
        means = [fmean(twice[i : i + hours]) for i in range(_WEEK_HOURS)]
        mean = (min if best else max)(means)
        return means.index(mean), mean

    @property
    def flat(self) -> bool:
        """Whether no hour is better than another."""
        return max(self.gco2eq_per_kwh) <= min(self.gco2eq_per_kwh) * (1 + _FLAT)


@dataclass(frozen=True, slots=True)
class DayWindow:
    """The cleanest window of the day, the same every day. Quantiles are of its days' means.

    Attributes:
        start_h: UTC hour at which it begins.
        hours: How long it is.
        gco2eq_per_kwh: Its mean intensity.
        low_gco2eq_per_kwh: 10 % quantile of its days.
        high_gco2eq_per_kwh: 90 % quantile of its days.
        days: How many days it was looked for in.
    """

    start_h: int
    hours: int
    gco2eq_per_kwh: float
    low_gco2eq_per_kwh: float
    high_gco2eq_per_kwh: float
    days: int

    def holds(self, at: datetime) -> bool:
        """Return whether an instant lies in the window."""
        return (at.astimezone(UTC).hour - self.start_h) % 24 < self.hours


def look_ahead(ahead: Sequence[Reading], now: datetime) -> Outlook | None:
    """Return the next 24 hours, `None` where they are not known without a gap.

    No hour is best where all are equal, or where the present one is as clean.
    """
    try:
        whole = mean_over(ahead, now, now + 24 * HOUR)
        current = mean_over(ahead, now, now)
    except SignalError:
        return None
    first = now.replace(minute=0, second=0, microsecond=0)
    hours = [_hour(ahead, first + n * HOUR) for n in range(1, 24)]
    best = sorted(hours, key=lambda hour: hour.gco2eq_per_kwh)[:SHOWN_HOURS]
    worth = [hour for hour in best if hour.gco2eq_per_kwh < whole.gco2eq_per_kwh * (1 - _FLAT)]
    return Outlook(
        current.gco2eq_per_kwh,
        whole.gco2eq_per_kwh,
        tuple(sorted(worth, key=lambda hour: hour.start)),
        ", ".join(whole.sources),
    )


def typical_week(past: Sequence[Reading]) -> Week | None:
    """Return the mean of each hour of the week, `None` if any of them has never been read."""
    buckets: list[list[float]] = [[] for _ in range(_WEEK_HOURS)]
    for start, value in _by_hour(past):
        buckets[start.weekday() * 24 + start.hour].append(value)
    if not all(buckets):
        return None
    days = round(sum(map(len, buckets)) / 24)
    return Week(tuple(fmean(values) for values in buckets), days)


def cleanest_window(past: Sequence[Reading], *, hours: int = WINDOW_HOURS) -> DayWindow | None:
    """Return the cleanest window of the day, `None` with less than seven days of history."""
    days: dict[datetime, dict[int, float]] = {}
    for start, value in _by_hour(past):
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        days.setdefault(day, {})[start.hour] = value
    whole = [day for day in days.values() if len(day) == 24]  # noqa: PLR2004 - hours of a day
    if len(whole) < 7:  # noqa: PLR2004 - a week has working days and others
        return None
    windows = [[(start + n) % 24 for n in range(hours)] for start in range(24)]
    means = [[fmean(day[hour] for hour in window) for day in whole] for window in windows]
    start_h = min(range(24), key=lambda start: fmean(means[start]))
    ordered = sorted(means[start_h])
    last = len(ordered) - 1
    return DayWindow(
        start_h, hours, fmean(ordered), ordered[round(0.1 * last)], ordered[round(0.9 * last)],
        len(whole),
    )  # fmt: skip


def _hour(ahead: Sequence[Reading], start: datetime) -> HourAhead:
    mean = mean_over(ahead, start, start + HOUR)
    inside = [r for r in ahead if r.start < start + HOUR and r.end > start]
    lows = [r.low_gco2eq_per_kwh for r in inside if r.low_gco2eq_per_kwh is not None]
    highs = [r.high_gco2eq_per_kwh for r in inside if r.high_gco2eq_per_kwh is not None]
    quality = max((r.quality for r in inside), key=SUREST_FIRST.index)
    return HourAhead(
        start, mean.gco2eq_per_kwh, fmean(lows) if lows else None, fmean(highs) if highs else None,
        quality,
    )  # fmt: skip


def _by_hour(readings: Sequence[Reading]) -> Iterator[tuple[datetime, float]]:
    """Yield the mean of every hour of which anything was read, with its begin in UTC."""
    sums: dict[datetime, tuple[float, float]] = {}
    for reading in readings:
        start = reading.start.astimezone(UTC)
        while start < reading.end:
            hour = start.replace(minute=0, second=0, microsecond=0)
            until = min(hour + timedelta(hours=1), reading.end)
            seconds = (until - start).total_seconds()
            total, weight = sums.get(hour, (0.0, 0.0))
            sums[hour] = (total + reading.gco2eq_per_kwh * seconds, weight + seconds)
            start = until.astimezone(UTC)
    for hour, (total, weight) in sorted(sums.items()):
        yield hour, total / weight
