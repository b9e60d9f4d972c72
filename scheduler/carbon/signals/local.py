"""A local signal as one source of a chain, a fallback behind live ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from common.errors import SignalError, SignalNotOffered
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import Signal, reading_at

_HORIZON = timedelta(hours=48)


class Local:
    """Answers as a live provider does, at once and from memory; see `Provider`.

    Args:
        name: The word that selects it.
        signal: Where readings come from.
        clock: The grid clock.
        family: What its readings count.
    """

    def __init__(
        self,
        name: str,
        signal: Signal,
        clock: Callable[[], datetime],
        family: Family = FLOW_TRACED,
    ) -> None:
        self.name = name
        self.family = family
        self._signal = signal
        self._clock = clock

    async def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones it knows, sorted."""
        return self._signal.zones()

    async def now(self, zone: str) -> list[Reading]:
        """Return the reading that holds now."""
        try:
            return [self._named(reading_at(self._signal, zone, self._clock()))]
        except SignalError as error:
            raise SignalNotOffered(str(error)) from None

    async def past(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return what is known of `[start, end)`."""
        return [self._named(reading) for reading in self._signal.readings(zone, start, end)]

    async def future(self, zone: str) -> list[Reading]:
        """Return the next two days."""
        now = self._clock()
        return [self._named(r) for r in self._signal.readings(zone, now, now + _HORIZON)]

    async def close(self) -> None:
        """There is nothing to close."""

    def _named(self, reading: Reading) -> Reading:
        # A trace's readings name its file, too; a chain knows its sources by name alone.
        return replace(reading, source=self.name)
