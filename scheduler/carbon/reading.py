"""One figure of a grid's carbon intensity, with all that decides what it may be compared to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from common.errors import SignalError
from scheduler.carbon.family import Family
from scheduler.ledger.events.grid import Quality, ReadingRecord

SUREST_FIRST: Sequence[Quality] = ("measured", "estimated", "modelled", "forecast", "stale")

MOST_GCO2EQ_PER_KWH = 2000.0
"""No grid is dirtier: coal emits at most 910 over its life cycle (IPCC AR5, 2014, annex III)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A carbon intensity that holds in `[start, end)`.

    Attributes:
        zone: Electricity Maps zone id.
        start: First instant it holds for, aware.
        end: First instant it no longer holds for, aware.
        gco2eq_per_kwh: Carbon intensity, from 0 to 2000; of a forecast its median.
        source: The signal it came from.
        family: What it counts.
        quality: How the figure was found.
        method: How, by the source's name or ours (``persistence``); empty if unknown.
        issued_at: When a forecast was issued, aware; `None` for anything else.
        low_gco2eq_per_kwh: 10 % quantile of a forecast, if it has one.
        high_gco2eq_per_kwh: 90 % quantile of a forecast, if it has one.
        low_carbon_share: Share of renewable and nuclear power, from 0 to 1, if reported.
        price_eur_per_mwh: Price of electricity, if reported; may be negative.

    Raises:
        SignalError: If a time is naive, the interval is empty, or the intensity is implausible.
    """

    zone: str
    start: datetime
    end: datetime
    gco2eq_per_kwh: float
    source: str
    family: Family
    quality: Quality
    method: str = ""
    issued_at: datetime | None = None
    low_gco2eq_per_kwh: float | None = None
    high_gco2eq_per_kwh: float | None = None
    low_carbon_share: float | None = None
    price_eur_per_mwh: float | None = None

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
        for value in (self.gco2eq_per_kwh, self.low_gco2eq_per_kwh, self.high_gco2eq_per_kwh):
            if value is not None and (fault := implausible(value)):
                msg = (
                    f"{self.source} reports {value} gCO2eq/kWh for {self.zone} at "
                    f"{self.start.isoformat()}, which {fault}, so the reading is refused. "
                    f"Check its unit (gCO2eq/kWh) at {self.source}."
                )
                raise SignalError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return the reading as JSON can hold it, without its zone and without what is unknown."""
        body: dict[str, Any] = {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "gco2eq_per_kwh": self.gco2eq_per_kwh,
            "source": self.source,
            "family": str(self.family),
            "quality": self.quality,
        }
        if self.method:
            body["method"] = self.method
        if self.issued_at is not None:
            body["issued_at"] = self.issued_at.isoformat()
        more = {name: getattr(self, name) for name in _OPTIONAL}
        return body | {name: value for name, value in more.items() if value is not None}

    def to_record(self) -> ReadingRecord:
        """Return the reading as the ledger keeps it, without its zone."""
        return ReadingRecord(
            start=self.start,
            end=self.end,
            gco2eq_per_kwh=self.gco2eq_per_kwh,
            source=self.source,
            family=str(self.family),
            quality=self.quality,
            method=self.method,
            issued_at=self.issued_at,
            low_gco2eq_per_kwh=self.low_gco2eq_per_kwh,
            high_gco2eq_per_kwh=self.high_gco2eq_per_kwh,
            low_carbon_share=self.low_carbon_share,
            price_eur_per_mwh=self.price_eur_per_mwh,
        )

    @classmethod
    def from_record(cls, zone: str, kept: ReadingRecord) -> Self:
        """Return the reading that `to_record` made `kept` of."""
        return cls(
            zone=zone,
            start=kept.start,
            end=kept.end,
            gco2eq_per_kwh=kept.gco2eq_per_kwh,
            source=kept.source,
            family=Family.parse(kept.family),
            quality=kept.quality,
            method=kept.method,
            issued_at=kept.issued_at,
            low_gco2eq_per_kwh=kept.low_gco2eq_per_kwh,
            high_gco2eq_per_kwh=kept.high_gco2eq_per_kwh,
            low_carbon_share=kept.low_carbon_share,
            price_eur_per_mwh=kept.price_eur_per_mwh,
        )


_OPTIONAL = (
    "low_gco2eq_per_kwh",
    "high_gco2eq_per_kwh",
    "low_carbon_share",
    "price_eur_per_mwh",
)


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
