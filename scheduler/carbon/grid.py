"""The grid as a plan sees it: what holds in a zone now, and its last week."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from common.errors import SignalError
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.mean import Mean, mean_over
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, Signal, reading_at, slot_start
from scheduler.carbon.week import UNKNOWN, WEEK, week_of


@dataclass(frozen=True, slots=True)
class ZoneNow:
    """A zone at one instant: the reading that holds, if any, and those of the seven days before.

    `week` has what is clean and what is usual there, as `week_of` returns it.
    """

    reading: Reading | None
    history: tuple[Reading, ...]
    week: Mapping[str, float]
    fault: str | None


class Grid:
    """Answers from a signal, asking it once per zone and slot.

    Args:
        signal: Where readings come from.
        family: What the federation counts; figures of another family are labelled and kept apart.
    """

    def __init__(self, signal: Signal, family: Family = FLOW_TRACED) -> None:
        self.signal = signal
        self.family = family
        self._now: dict[str, ZoneNow] = {}

    def zone(self, zone: str, at: datetime) -> ZoneNow:
        """Return a zone at the instant `at`; unknown is an answer, not an error."""
        known = self._now.get(zone)
        if known and known.reading and known.reading.start <= at < known.reading.end:
            return known
        self._now[zone] = self._ask(zone, at)
        return self._now[zone]

    def mean(self, zone: str, start: datetime, end: datetime) -> Mean | None:
        """Return the mean intensity of a zone over an interval, or `None` if unknown."""
        try:
            later = max(end, start + datetime.resolution)
            return mean_over(self.signal.readings(zone, start, later), start, end)
        except SignalError:
            return None

    def comparable(self, zone: str, start: datetime, end: datetime) -> float | None:
        """Return the mean intensity in gCO2eq/kWh, or `None` if unknown or of another family."""
        mean = self.mean(zone, start, end)
        return mean.gco2eq_per_kwh if mean and mean.family == self.family else None

    def ahead(self, zone: str, at: datetime, hours: int) -> tuple[float, ...]:
        """Return the mean intensity of each hour from the one that runs, up to the first gap.

        Args:
            zone: Electricity Maps zone id.
            at: The time on the grid clock.
            hours: How many are wanted at most.

        Returns:
            gCO2eq/kWh, shape `(hours,)` or shorter.
        """
        first, values = slot_start(at), []
        for start in (first + n * HOUR for n in range(hours)):
            value = self.comparable(zone, start, start + HOUR)
            if value is None:
                break
            values.append(value)
        return tuple(values)

    def _ask(self, zone: str, at: datetime) -> ZoneNow:
        try:
            reading = reading_at(self.signal, zone, at)
        except SignalError as error:
            return ZoneNow(None, (), UNKNOWN, str(error))
        history: list[Reading] = []
        with suppress(SignalError):
            history = self.signal.readings(zone, at - WEEK, at + datetime.resolution)
        return ZoneNow(reading, tuple(history), week_of(reading, history, at), None)

    def forget(self) -> None:
        """Read the signal anew: it has new readings."""
        self._now.clear()
