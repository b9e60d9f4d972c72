"""One figure of a grid's carbon intensity, with everything that says what it may be compared to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from common.errors import SignalError

Kind = Literal["average", "marginal"]
"""All power plants, or the one that would answer one more kWh."""

Scope = Literal["lifecycle", "direct"]
"""With or without building plants and mining fuels."""

Accounting = Literal["consumption", "production"]
"""With or without what flows over the zone's borders."""

Quality = Literal["measured", "estimated", "forecast", "modelled"]

MOST_GCO2EQ_PER_KWH = 2000.0
"""No grid is dirtier: coal emits at most 910 over its life cycle (IPCC AR5, 2014, annex III)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A carbon intensity that holds in `[start, end)`.

    Attributes:
        zone: Electricity Maps zone id.
        start: First instant it holds for, aware.
        end: First instant it no longer holds for, aware.
        gco2eq_per_kwh: Carbon intensity, from 0 to 2000.
        source: The signal it came from.
        kind: Average or marginal.
        scope: Life-cycle or direct.
        accounting: Of what the zone consumes or of what it produces.
        quality: How the figure was found.
        issued_at: When a forecast was issued, aware; `None` for anything else.

    Raises:
        SignalError: If a time is naive, the interval is empty, or the intensity is implausible.
    """

    zone: str
    start: datetime
    end: datetime
    gco2eq_per_kwh: float
    source: str
    kind: Kind
    scope: Scope
    accounting: Accounting
    quality: Quality
    issued_at: datetime | None = None

    def __post_init__(self) -> None:
        for time in (self.start, self.end, self.issued_at):
            if time is not None:
                refuse_naive(time)
        if self.end <= self.start:
            msg = (
                f"A reading of {self.zone} from {self.source} ends at {self.end.isoformat()}, not "
                f"after its start {self.start.isoformat()}, so it holds at no time. "
                f"Correct the times at {self.source}."
            )
            raise SignalError(msg)
        if fault := implausible(self.gco2eq_per_kwh):
            msg = (
                f"{self.source} says {self.gco2eq_per_kwh} gCO2eq/kWh for {self.zone} at "
                f"{self.start.isoformat()}, which {fault}, so the reading is refused. "
                f"Check its unit (gCO2eq/kWh) at {self.source}."
            )
            raise SignalError(msg)


def implausible(gco2eq_per_kwh: float) -> str | None:
    """Return what is wrong with a carbon intensity, to follow "which"; `None` if nothing is."""
    if not math.isfinite(gco2eq_per_kwh):
        return "is not a finite number"
    if gco2eq_per_kwh < 0:
        return "is negative"
    if gco2eq_per_kwh > MOST_GCO2EQ_PER_KWH:
        return f"is above {MOST_GCO2EQ_PER_KWH:g}, more than any grid emits"
    return None


def refuse_naive(time: datetime) -> None:
    """Refuse a time without a time zone.

    Raises:
        SignalError: If `time` is naive.
    """
    if time.utcoffset() is None:
        msg = (
            f"The time {time.isoformat()} has no time zone, so it names no hour of any grid. "
            f"Give it one, e.g. {time.isoformat()}+00:00."
        )
        raise SignalError(msg)


def comparable(a: Reading, b: Reading) -> bool:
    """Return whether two readings are of the same kind, scope and accounting."""
    return (a.kind, a.scope, a.accounting) == (b.kind, b.scope, b.accounting)


def mean_gco2eq_per_kwh(readings: Sequence[Reading], start: datetime, end: datetime) -> float:
    """Return the mean carbon intensity over `[start, end]`, weighted by time.

    If `start` equals `end`, this is the reading that covers `start`. Where readings overlap, the
    one that starts earlier counts.

    Args:
        readings: Readings of one zone, in any order; those outside the interval are not looked at.
        start: Begin of the interval, aware.
        end: End of the interval, aware, not before `start`.

    Returns:
        The mean in gCO2eq/kWh.

    Raises:
        SignalError: If a time is naive, the interval is reversed or not covered without a gap, or
            its readings are of more than one zone, kind, scope or accounting.
    """
    refuse_reversed(start, end)
    instant = start == end
    last = end + timedelta.resolution if instant else end
    inside = sorted((r for r in readings if r.start < last and r.end > start), key=_by_start)
    _refuse_mixture(inside)
    grams, covered = 0.0, start
    for reading in inside:
        if reading.start > covered:
            break
        until = max(covered, min(reading.end, last))
        grams += reading.gco2eq_per_kwh * (until - covered).total_seconds()
        covered = until
    if covered < last:
        raise SignalError(_gap(covered, start, end))
    return inside[0].gco2eq_per_kwh if instant else grams / (end - start).total_seconds()


def refuse_reversed(start: datetime, end: datetime) -> None:
    """Refuse an interval with a naive bound, or that ends before it starts.

    Raises:
        SignalError: If `start` or `end` is naive or `end` is before `start`.
    """
    refuse_naive(start)
    refuse_naive(end)
    if end < start:
        msg = (
            f"The interval from {start.isoformat()} to {end.isoformat()} ends before it starts, "
            f"so no reading lies in it. Swap its bounds."
        )
        raise SignalError(msg)


def _by_start(reading: Reading) -> datetime:
    return reading.start


def _refuse_mixture(readings: Sequence[Reading]) -> None:
    for reading in readings[1:]:
        first = readings[0]
        if reading.zone != first.zone or not comparable(first, reading):
            msg = (
                f"A mean over {_label(first)} and {_label(reading)} would mean nothing, "
                f"so none is taken. Take all readings from one signal and one zone."
            )
            raise SignalError(msg)


def _label(reading: Reading) -> str:
    return f"{reading.zone} ({reading.kind}, {reading.scope}, {reading.accounting})"


def _gap(missing: datetime, start: datetime, end: datetime) -> str:
    return (
        f"No reading covers {missing.isoformat()}, so the mean from {start.isoformat()} to "
        f"{end.isoformat()} is unknown. Ask the signal for the whole interval, or wait until it "
        f"is published."
    )
