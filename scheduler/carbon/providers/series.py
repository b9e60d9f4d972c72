"""Makes readings of the rows of a response: checked, in order, one for each time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Strict

from common.errors import SignalError
from common.log import get_logger
from scheduler.carbon.mean import mean_over
from scheduler.carbon.reading import SUREST_FIRST, Reading
from scheduler.carbon.signal import slot_start

_log = get_logger(__name__)

HALF_HOUR = timedelta(minutes=30)

_LONGEST_GAP = 2
"""Slots in a row that a forecast may miss; they are interpolated."""

_EARLY = timedelta(minutes=5)
"""How far a server's clock may be ahead of ours without its figures being of another hour."""


Utc = Annotated[AwareDatetime, AfterValidator(lambda time: time.astimezone(UTC))]
"""A time of any zone, in UTC; a naive one is refused."""

Figure = Annotated[float, Strict()] | None
"""A number or ``null``; text and truth values are refused."""


class Body(BaseModel):
    """Base of a provider's bodies: fields that are not used are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def readings_of(
    rows: Iterable[object], read: Callable[[object], Reading | None], *, source: str, zone: str
) -> list[Reading]:
    """Return the readings of rows in order; a row that makes no sense is left out and logged.

    Args:
        rows: Parts of a response.
        read: Makes a reading of one row; `None` where the row has no figure. It may
            raise `ValueError`, `OverflowError` or `SignalError` at a row that makes no sense.
        source: The provider, for the log.
        zone: What about, for the log.
    """
    readings, faults = [], []
    for row in rows:
        try:
            reading = read(row)
        except (ValueError, OverflowError, SignalError) as error:
            # Pydantic's own text quotes what was sent; its parts name the fault.
            parts = error.errors() if hasattr(error, "errors") else ()
            faults.append("; ".join(part["msg"] for part in parts) or str(error))
        else:
            readings += [reading] if reading else []
    if faults:
        _log.warning(
            "reading.refused", source=source, zone=zone, count=len(faults), why=faults[0][:200]
        )
    return in_order(readings)


def in_order(readings: Iterable[Reading]) -> list[Reading]:
    """Return readings by time: of those that start together the surest, and without overlaps."""
    best: dict[datetime, Reading] = {}
    for reading in readings:
        known = best.get(reading.start)
        if known is None or _doubt(reading) <= _doubt(known):
            best[reading.start] = reading
    ordered = [best[start] for start in sorted(best)]
    clipped = [
        one if one.end <= following.start else replace(one, end=following.start)
        for one, following in itertools.pairwise(ordered)
    ]
    return clipped + ordered[-1:]


def within(readings: Sequence[Reading], start: datetime, end: datetime) -> list[Reading]:
    """Return the readings that overlap `[start, end)`."""
    return [reading for reading in readings if reading.start < end and reading.end > start]


def begun(readings: Sequence[Reading], now: datetime) -> list[Reading]:
    """Return the readings that have begun, give or take what clocks differ by."""
    return [reading for reading in readings if reading.start <= now + _EARLY]


def from_now(readings: Sequence[Reading], now: datetime) -> list[Reading]:
    """Return the readings from now on without a gap: short ones are filled, a long one ends them.

    Where the first begins later than a short gap after now, none is left: a server whose clock is
    hours ahead is no figure for now.

    Args:
        readings: In order.
        now: What has ended by then is left out, aware.
    """
    joined: list[Reading] = []
    for reading in within(readings, now, readings[-1].end) if readings else ():
        slot = reading.end - reading.start
        known_until = joined[-1].end if joined else now
        if reading.start - known_until > _LONGEST_GAP * slot:
            break
        if joined:
            joined += _between(joined[-1], reading)
        joined.append(reading)
    return joined


def half_hours(readings: Sequence[Reading], first: datetime) -> list[Reading]:
    """Return readings, with those from `first` on as means of UTC half hours.

    Args:
        readings: In order.
        first: Begin of a half hour, aware. A half hour that is not covered whole is left out.
    """
    averaged = []
    later = [reading for reading in readings if reading.end > first]
    for start, group in itertools.groupby(
        later, key=lambda reading: slot_start(max(reading.start, first), HALF_HOUR)
    ):
        members = list(group)
        try:
            mean = mean_over(members, start, start + HALF_HOUR)
        except SignalError:
            continue
        averaged.append(
            replace(
                members[0],
                start=start,
                end=start + HALF_HOUR,
                gco2eq_per_kwh=mean.gco2eq_per_kwh,
                quality=mean.quality,
            )
        )
    return [reading for reading in readings if reading.end <= first] + averaged


def chunks(
    start: datetime, end: datetime, longest: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """Split `[start, end)` into parts, because providers limit the length of a request."""
    while start < end:
        until = min(end, start + longest)
        yield start, until
        start = until


def _between(before: Reading, after: Reading) -> list[Reading]:
    """Return readings that fill the gap between two, on a straight line."""
    slot = after.end - after.start
    missing = -((before.end - after.start) // slot)
    step_gco2eq_per_kwh = (after.gco2eq_per_kwh - before.gco2eq_per_kwh) / (missing + 1)
    return [
        replace(
            before,
            start=before.end + slot * number,
            end=min(before.end + slot * (number + 1), after.start),
            gco2eq_per_kwh=before.gco2eq_per_kwh + step_gco2eq_per_kwh * (number + 1),
            method="interpolated",
            low_carbon_share=None,
        )
        for number in range(missing)
    ]


def _doubt(reading: Reading) -> int:
    return SUREST_FIRST.index(reading.quality)
