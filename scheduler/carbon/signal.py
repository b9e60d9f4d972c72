"""What every source of carbon intensities offers, and what the local ones share."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Protocol

from common.errors import SignalError
from scheduler.carbon.reading import Reading, refuse_reversed

HOUR = timedelta(hours=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Signal(Protocol):
    """A source of carbon intensities."""

    @property
    def name(self) -> str:
        """The word that selects this signal in ``FAIRWIND_SIGNAL``."""

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones it knows, sorted."""

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every reading known that overlaps `[start, end)`, in order.

        Where nothing is known there is a gap. A live signal labels what lies in the future
        `forecast`; a local one has its own.

        Args:
            zone: Electricity Maps zone id.
            start: Begin of the interval, aware.
            end: End of the interval, aware, not before `start`.

        Raises:
            SignalError: If the zone is unknown, nothing of the interval is known, a time is naive,
                or `end` is before `start`.
        """


def reading_at(signal: Signal, zone: str, at: datetime) -> Reading:
    """Return the reading of `signal` that holds in `zone` at the instant `at`.

    Raises:
        SignalError: If the zone is unknown, or `at` is naive or not covered.
    """
    return signal.readings(zone, at, at + timedelta.resolution)[0]


def hours_overlapping(start: datetime, end: datetime) -> range:
    """Return the UTC hours, counted from 1970, that overlap `[start, end)`.

    Raises:
        SignalError: If a time is naive, or `end` is before `start`.
    """
    refuse_reversed(start, end)
    if start == end:
        return range(0)
    return range((start - _EPOCH) // HOUR, -((_EPOCH - end) // HOUR))


def slot_start(time: datetime, step: timedelta = HOUR) -> datetime:
    """Return when the UTC slot of length `step` begins in which `time` lies."""
    return _EPOCH + (time - _EPOCH) // step * step


def hour_number(time: datetime) -> int:
    """Return the UTC hour, counted from 1970, that begins at `time`.

    Raises:
        ValueError: If `time` is naive or not on the hour.
    """
    if time.utcoffset() is None:
        msg = "it has no time zone"
        raise ValueError(msg)
    number, rest = divmod(time - _EPOCH, HOUR)
    if rest:
        msg = "it is not on the UTC hour"
        raise ValueError(msg)
    return number


def hour_start(hour: int) -> datetime:
    """Return when a UTC hour, counted from 1970, begins."""
    return _EPOCH + hour * HOUR


def unknown_zone(signal: str, zone: str, zones: Collection[str]) -> SignalError:
    """Return the error of a signal that has no such zone."""
    near = difflib.get_close_matches(zone.upper(), zones, n=3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return SignalError(
        f"The signal {signal} knows no zone {zone!r}, so its carbon intensity is unknown. "
        f"{hint}`fairwind zones` lists all {len(zones)}."
    )
