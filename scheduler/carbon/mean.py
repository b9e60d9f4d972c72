"""The mean carbon intensity of an interval, with the labels of the readings behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from common.errors import SignalError
from scheduler.carbon.family import Family
from scheduler.carbon.reading import SUREST_FIRST, Reading, refuse_reversed
from scheduler.ledger.events.grid import MeanRecord, Quality


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean carbon intensity of one zone over an interval, and what it rests on.

    Attributes:
        gco2eq_per_kwh: Weighted by time.
        family: What it counts; the same for every reading in it.
        quality: That of the least sure reading in it.
        sources: The signals it came from, sorted.
        issued_at: When the oldest forecast in it was issued; `None` if there is none.
    """

    gco2eq_per_kwh: float
    family: Family
    quality: Quality
    sources: tuple[str, ...]
    issued_at: datetime | None

    def to_record(self) -> MeanRecord:
        """Return the mean as the ledger keeps it."""
        return MeanRecord(
            gco2eq_per_kwh=self.gco2eq_per_kwh,
            family=str(self.family),
            quality=self.quality,
            sources=self.sources,
            issued_at=self.issued_at,
        )

    @classmethod
    def from_record(cls, kept: MeanRecord) -> Self:
        """Return the mean that `to_record` made `kept` of."""
        return cls(
            gco2eq_per_kwh=kept.gco2eq_per_kwh,
            family=Family.parse(kept.family),
            quality=kept.quality,
            sources=kept.sources,
            issued_at=kept.issued_at,
        )


def mean_over(readings: Sequence[Reading], start: datetime, end: datetime) -> Mean:
    """Return the mean carbon intensity over `[start, end]`, weighted by time.

    If `start` equals `end`, this is the reading that covers `start`. Where readings overlap, the
    one that starts earlier counts.

    Args:
        readings: Readings of one zone, in any order; those outside the interval are not looked at.
        start: Begin of the interval, aware.
        end: End of the interval, aware, not before `start`.

    Raises:
        SignalError: If a time is naive, the interval is reversed or not covered without a gap, or
            its readings are of more than one zone or family.
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
    alone = instant or len(inside) == 1  # without a division that would round
    return Mean(
        gco2eq_per_kwh=inside[0].gco2eq_per_kwh if alone else grams / (end - start).total_seconds(),
        family=inside[0].family,
        quality=max((r.quality for r in inside), key=SUREST_FIRST.index),
        sources=tuple(sorted({r.source for r in inside})),
        issued_at=min((r.issued_at for r in inside if r.issued_at), default=None),
    )


def _by_start(reading: Reading) -> datetime:
    return reading.start


def _refuse_mixture(readings: Sequence[Reading]) -> None:
    for reading in readings[1:]:
        first = readings[0]
        if reading.zone != first.zone or reading.family != first.family:
            msg = (
                f"A mean over {_label(first)} and {_label(reading)} would mean nothing, "
                f"so none is taken. Take all readings from one signal and one zone."
            )
            raise SignalError(msg)


def _label(reading: Reading) -> str:
    return f"{reading.zone} ({reading.family})"


def _gap(missing: datetime, start: datetime, end: datetime) -> str:
    return (
        f"No reading covers {missing.isoformat()}, so the mean from {start.isoformat()} to "
        f"{end.isoformat()} is unknown. Read the whole interval, or wait until it is "
        f"published."
    )
