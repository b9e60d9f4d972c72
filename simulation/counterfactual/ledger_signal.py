"""The signal of a recorded run: the carbon intensities that a ledger holds, hour by hour."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from common.errors import SignalError
from scheduler.carbon.family import Family
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping, unknown_zone

_DAY_H = 24
WEEK_H = 7 * _DAY_H


class Stretch(NamedTuple):
    """An intensity that held in `[start, end)`, in gCO2eq/kWh."""

    start: datetime
    end: datetime
    gco2eq_per_kwh: float


def hourly(stretches: Iterable[Stretch]) -> dict[int, float]:
    """Return the mean intensity of each hour that they touch, in gCO2eq/kWh, weighted by time."""
    sums: dict[int, float] = defaultdict(float)
    spans_s: dict[int, float] = defaultdict(float)
    for start, end, value in stretches:
        for hour in hours_overlapping(start, end):
            begun = hour_start(hour)
            span_s = (min(end, begun + HOUR) - max(start, begun)).total_seconds()
            sums[hour] += value * span_s
            spans_s[hour] += span_s
    return {hour: sums[hour] / spans_s[hour] for hour in sums}


class LedgerSignal:
    """Recorded intensities. From `start` on, gaps are filled without end.

    An hour without a figure is taken as the same hour of the last day before that has one, else of
    the first day after, else as the known hour before it, else as the first that is known. Before
    `start` only whole days repeat: a zone of which less is known has no past.

    Args:
        known: Intensities in gCO2eq/kWh by zone and UTC hour counted from 1970; none is empty.
        family: Of the intensities.
        start: The hour from which on gaps are filled, and a week before it.
    """

    name = "ledger"

    def __init__(
        self, known: Mapping[str, Mapping[int, float]], family: Family, *, start: int
    ) -> None:
        self._known = known
        self._hours: Mapping[str, Sequence[int]] = {z: sorted(hours) for z, hours in known.items()}
        self._family = family
        self._first = {
            zone: start - (WEEK_H if len(hours) >= _DAY_H else 0) for zone, hours in known.items()
        }

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones it knows, sorted."""
        return tuple(sorted(self._known))

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every hour known or assumed that overlaps `[start, end)`."""
        if zone not in self._known:
            raise unknown_zone(self.name, zone, self._known)
        wanted = hours_overlapping(start, end)
        found = [hour for hour in wanted if hour >= self._first[zone] or hour in self._known[zone]]
        if wanted and not found:
            first = hour_start(self._first[zone])
            msg = (
                f"The ledger holds nothing of {zone} before {first.isoformat()}, so its carbon "
                "intensity is unknown then. Read later hours."
            )
            raise SignalError(msg)
        return [self._reading(zone, hour) for hour in found]

    def missing(self, first: int, last: int) -> int:
        """Return how many pairs of zone and hour from `first` to `last` have no intensity."""
        hours = range(first, last + 1)
        return sum(hour not in known for known in self._known.values() for hour in hours)

    def _reading(self, zone: str, hour: int) -> Reading:
        start, is_known = hour_start(hour), hour in self._known[zone]
        return Reading(
            zone=zone, start=start, end=start + HOUR,
            gco2eq_per_kwh=self._known[zone][hour] if is_known else self._assumed(zone, hour),
            source=self.name, family=self._family, quality="estimated" if is_known else "stale",
        )  # fmt: skip

    def _assumed(self, zone: str, hour: int) -> float:
        known, hours = self._known[zone], self._hours[zone]
        before = range(hour - _DAY_H, hours[0] - 1, -_DAY_H)
        after = range(hour + _DAY_H, hours[-1] + 1, _DAY_H)
        same_hour = next((known[at] for at in (*before, *after) if at in known), None)
        if same_hour is not None:
            return same_hour
        return known[hours[max(0, bisect_right(hours, hour) - 1)]]
