"""The grid under a virtual clock: the past and the present are true, the future is forecast."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from common.clock import VirtualClock
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.grid import Grid, ZoneNow
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, hour_start, hours_overlapping
from scheduler.carbon.week import DAY, UNKNOWN, WEEK, quantiles
from simulation.grids.foresight import Foresight
from simulation.grids.truth import EPOCH, Floats, Truth, hour_of


class KnownNow:
    """The signal of a simulation: no reading of it reveals later hours.

    Args:
        truth: What the grids do.
        foresight: What is believed of the hours to come.
        clock: The future begins at its time.
    """

    name = "simulated"

    def __init__(self, truth: Truth, foresight: Foresight, clock: VirtualClock) -> None:
        self.truth = truth
        self.clock = clock
        self._foresight = foresight
        self._issued = -1
        self._ahead: Floats = np.empty((0, 0))

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones it knows, sorted."""
        return self.truth.signal.zones()

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every hour known that overlaps `[start, end)`; see `Signal.readings`."""
        begun = hour_start(self.hour + 1)
        if end <= begun:
            return self.truth.signal.readings(zone, start, end)
        past = self.truth.signal.readings(zone, start, begun) if start < begun else []
        return past + self._future(zone, max(start, begun), end)

    @property
    def hour(self) -> int:
        """The running hour."""
        return hour_of(self.clock.now)

    def ahead(self) -> Floats:
        """Return the running hour's truth and the forecasts behind it, `(num_zones, 97)`."""
        hour = self.hour
        if self._issued != hour:
            now = self.truth.hours(hour, 1)
            self._issued, self._ahead = hour, np.hstack([now, self._foresight(hour)])
        return self._ahead

    def _future(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        values, first = self.ahead()[self.truth.row[zone]], self.hour
        model = self.truth.reading(zone, first)
        return [
            Reading(
                zone=zone, start=hour_start(hour), end=hour_start(hour) + HOUR,
                gco2eq_per_kwh=float(values[hour - first]), source=model.source,
                family=model.family, quality="forecast", issued_at=self.clock.now,
            )
            for hour in hours_overlapping(start, end)
            if hour - first < len(values) and not math.isnan(values[hour - first])
        ]  # fmt: skip


class VirtualGrid(Grid):
    """Answers as `Grid` does, from matrices: all zones of an hour at once."""

    def __init__(self, signal: KnownNow, family: Family = FLOW_TRACED) -> None:
        super().__init__(signal, family)
        self._known = signal
        self._truth = signal.truth
        self._hour = -1
        self._zones: dict[str, ZoneNow] = {}
        self._ahead: tuple[int, int] = (-1, 0)
        self._rows: dict[str, tuple[float, ...]] = {}

    def zone(self, zone: str, at: datetime) -> ZoneNow:
        """Return a zone at the instant `at`; its history is left out."""
        hour = hour_of(at)
        if hour != self._hour:
            self._zones, self._hour = self._look(hour, at), hour
        return self._zones[zone]

    def comparable(self, zone: str, start: datetime, end: datetime) -> float | None:
        """Return the mean intensity in gCO2eq/kWh, or `None` if unknown or of another family."""
        first, passed = divmod(start - EPOCH, HOUR)
        within_it = timedelta(0) <= end - start <= HOUR - passed
        if within_it and first <= self._known.hour:
            value = self._truth.value(zone, first)
            return None if math.isnan(value) else value
        return super().comparable(zone, start, end)

    def ahead(self, zone: str, at: datetime, hours: int) -> tuple[float, ...]:
        """Return the mean intensity of each hour from the one that runs, up to the first gap."""
        if hours == 0:
            return ()  # nothing is forecast for a policy that does not look ahead
        if self._ahead != (hour_of(at), hours):
            values = self._known.ahead()[:, :hours]
            known = np.isnan(values).argmax(axis=1, keepdims=False)
            ends = np.where(np.isnan(values).any(axis=1), known, values.shape[1]).tolist()
            self._rows = {
                zone: tuple(row[:end])
                for zone, row, end in zip(self._truth.zones, values.tolist(), ends, strict=True)
            }
            self._ahead = hour_of(at), hours
        return self._rows[zone]

    def _look(self, hour: int, at: datetime) -> dict[str, ZoneNow]:
        now = self._truth.hours(hour, 1)[:, 0]
        week = hours_overlapping(at - WEEK, at + datetime.resolution)
        past = self._truth.hours(week[0], len(week))
        weeks = _weeks(past)
        return {
            zone: self._ask(zone, at)
            if math.isnan(value)
            else ZoneNow(self._truth.reading(zone, hour), (), weeks[row], None)
            for row, (zone, value) in enumerate(zip(self._truth.zones, now.tolist(), strict=True))
        }


def _weeks(past: Floats) -> list[Mapping[str, float]]:
    """Return the result of `week_of` for each row of `(num_zones, hours)`."""
    counts = (~np.isnan(past)).sum(axis=1).tolist()
    ordered = np.sort(past, axis=1).tolist()  # NaN last
    return [
        quantiles(row[:count]) if count * HOUR >= DAY else UNKNOWN
        for row, count in zip(ordered, counts, strict=True)
    ]
