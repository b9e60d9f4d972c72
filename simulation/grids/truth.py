"""The truth: what the grids of a scenario did and will do, as a matrix of zones and hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from common.errors import SignalError
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, Signal, hour_start

Floats = npt.NDArray[np.float64]

_BLOCK_H = 240


EPOCH = hour_start(0)


def hour_of(time: datetime) -> int:
    """Return the UTC hour, counted from 1970, in which a time lies."""
    return (time - EPOCH) // HOUR


class Truth:
    """Every zone's carbon intensity hour by hour, read from a signal in blocks as it is needed.

    Args:
        signal: Knows all hours, past and future; its readings are an hour long.
        zones: In the order of the matrix' rows.
    """

    def __init__(self, signal: Signal, zones: Sequence[str]) -> None:
        self.signal = signal
        self.zones = tuple(zones)
        self.row = {zone: n for n, zone in enumerate(self.zones)}
        self._blocks: dict[int, Floats] = {}

    def hours(self, first: int, count: int) -> Floats:
        """Return intensities, `(num_zones, count)` in gCO2eq/kWh, NaN where unknown.

        Args:
            first: UTC hour, counted from 1970.
            count: How many hours from there.
        """
        begin, end = first // _BLOCK_H, (first + count - 1) // _BLOCK_H
        offset = first - begin * _BLOCK_H
        if begin == end:
            return self._block(begin)[:, offset : offset + count]
        joined = np.concatenate([self._block(n) for n in range(begin, end + 1)], axis=1)
        return joined[:, offset : offset + count]

    def value(self, zone: str, hour: int) -> float:
        """Return one intensity, NaN if unknown."""
        return float(self._block(hour // _BLOCK_H)[self.row[zone], hour % _BLOCK_H])

    def reading(self, zone: str, hour: int) -> Reading:
        """Return the signal's own reading of an hour.

        Raises:
            SignalError: If it has none.
        """
        start = hour_start(hour)
        return self.signal.readings(zone, start, start + HOUR)[0]

    def past(self, zone: str, first: int, end: int) -> list[Reading]:
        """Return the readings of the hours from `first` until `end`, those that are known."""
        try:
            return self.signal.readings(zone, hour_start(first), hour_start(end))
        except SignalError:
            return []

    def _block(self, number: int) -> Floats:
        if number not in self._blocks:
            first = number * _BLOCK_H
            block = np.full((len(self.zones), _BLOCK_H), np.nan)
            for row, zone in zip(block, self.zones, strict=True):
                for reading in self.past(zone, first, first + _BLOCK_H):
                    row[hour_of(reading.start) - first] = reading.gco2eq_per_kwh
            self._blocks[number] = block
        return self._blocks[number]
