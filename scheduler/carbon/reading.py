"""One figure of a grid's carbon intensity, with all that decides what it may be compared to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, Self

from common.errors import SignalError
from scheduler.ledger.events.grid import MeanRecord, Quality, ReadingRecord

Kind = Literal["average", "marginal"]
"""All power plants, or the one that would answer one more kWh."""

Scope = Literal["lifecycle", "direct"]
"""With or without building plants and mining fuels."""

Accounting = Literal["consumption", "production"]
"""With or without what flows over the zone's borders."""

SUREST_FIRST: Sequence[Quality] = ("measured", "estimated", "modelled", "forecast", "stale")

MOST_GCO2EQ_PER_KWH = 2000.0
"""No grid is dirtier: coal emits at most 910 over its life cycle (IPCC AR5, 2014, annex III)."""


@dataclass(frozen=True, slots=True, order=True)
class Family:
    """What a carbon intensity counts. Figures of different families are never compared or added."""

    kind: Kind
    scope: Scope
    accounting: Accounting

    def __str__(self) -> str:
        return f"{self.kind}, {self.scope}, {self.accounting}"

    @staticmethod
    @cache
    def parse(text: str) -> Family:
        """Return the family that `str` wrote."""
        kind, scope, accounting = text.split(", ")
        return Family(kind, scope, accounting)  # type: ignore[arg-type]


FLOW_TRACED = Family("average", "lifecycle", "consumption")
"""The family of Electricity Maps' default figures, and of every local signal."""


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

    @classmethod
    def from_dict(cls, zone: str, body: Mapping[str, Any]) -> Self:
        """Return the reading that `to_dict` made `body` of."""
        issued = body.get("issued_at")
        return cls(
            zone=zone,
            start=datetime.fromisoformat(body["start"]),
            end=datetime.fromisoformat(body["end"]),
            gco2eq_per_kwh=body["gco2eq_per_kwh"],
            source=body["source"],
            family=Family.parse(body["family"]),
            quality=body["quality"],
            method=body.get("method", ""),
            issued_at=datetime.fromisoformat(issued) if issued else None,
            **{name: body.get(name) for name in _OPTIONAL},
        )


_OPTIONAL = (
    "low_gco2eq_per_kwh",
    "high_gco2eq_per_kwh",
    "low_carbon_share",
    "price_eur_per_mwh",
)


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
        f"{end.isoformat()} is unknown. Ask the signal for the whole interval, or wait until it "
        f"is published."
    )
