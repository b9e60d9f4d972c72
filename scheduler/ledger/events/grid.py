"""Payloads about electricity grids: readings, what was measured since, and which source is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from scheduler.ledger.events.base import Payload, Record, Utc

Quality = Literal["measured", "estimated", "modelled", "forecast", "stale"]
"""How a figure was found, surest first; `stale` is a past figure carried into the present."""

FAMILY = r"^(average|marginal), (lifecycle|direct), (consumption|production)$"
"""What a carbon intensity counts: its kind, scope and accounting, as `carbon.reading.Family`."""


class ReadingRecord(Record):
    """One reading of a zone's carbon intensity, which holds in `[start, end)`.

    Attributes:
        start: First instant it holds for, grid clock.
        end: First instant it no longer holds for, grid clock.
        gco2eq_per_kwh: Carbon intensity; of a forecast its median.
        source: The signal it came from.
        family: What it counts, e.g. ``average, lifecycle, consumption``.
        quality: How it was found.
        method: How, in the source's own word or in ours; empty if not known.
        issued_at: When a forecast was issued; `None` for anything else.
        low_gco2eq_per_kwh: 10 % quantile of a forecast; `None` if it has none.
        high_gco2eq_per_kwh: 90 % quantile of a forecast; `None` if it has none.
        low_carbon_share: Share of renewable and nuclear power, from 0 to 1; `None` if unknown.
        price_eur_per_mwh: Price of electricity, may be negative; `None` if unknown.
    """

    start: Utc
    end: Utc
    gco2eq_per_kwh: float = Field(ge=0)
    source: str
    family: str = Field(pattern=FAMILY)
    quality: Quality
    method: str = ""
    issued_at: Utc | None = None
    low_gco2eq_per_kwh: float | None = Field(default=None, ge=0)
    high_gco2eq_per_kwh: float | None = Field(default=None, ge=0)
    low_carbon_share: float | None = None
    price_eur_per_mwh: float | None = None

    @model_serializer(mode="wrap")
    def _without_unknown(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is unknown: a ledger holds many readings, and few say everything."""
        whole: Mapping[str, Any] = handler(self)
        known = {name: value for name, value in whole.items() if value is not None}
        if not self.method:
            del known["method"]
        return known


class MeanRecord(Record):
    """The mean carbon intensity of a zone while a piece of work ran, and what it rests on.

    Attributes:
        gco2eq_per_kwh: Weighted by time.
        family: What it counts; the same for every reading in it.
        quality: That of the least sure reading in it.
        sources: The signals it came from, sorted.
        issued_at: When the oldest forecast in it was issued; `None` if there is none.
    """

    gco2eq_per_kwh: float = Field(ge=0)
    family: str = Field(pattern=FAMILY)
    quality: Quality
    sources: tuple[str, ...]
    issued_at: Utc | None = None


class GridRead(Payload):
    """The carbon intensity of some zones has changed.

    Attributes:
        readings: By zone, the reading that holds now; `None` where it is unknown.
    """

    kind: ClassVar[str] = "grid.read"

    readings: dict[str, ReadingRecord | None]


class GridCaughtUp(Payload):
    """Readings of hours in which no coordinator ran are known by now.

    Attributes:
        readings: By zone, in the order of time.
    """

    kind: ClassVar[str] = "grid.caught_up"

    readings: dict[str, tuple[ReadingRecord, ...]]


class GridSettled(Payload):
    """Measured intensities of hours in which work ran, or its baseline, replace forecasts.

    Attributes:
        readings: By zone, in the order of time.
    """

    kind: ClassVar[str] = "grid.settled"

    readings: dict[str, tuple[ReadingRecord, ...]]


class SignalFellBack(Payload):
    """A zone's readings come from another source than the expected one, or from none.

    Attributes:
        zone: Electricity Maps zone id.
        expected: The source that the settings name first.
        active_source: The source in its place; `None` if no source has a reading.
        why: What is wrong with the expected one, in its own words.
    """

    kind: ClassVar[str] = "signal.fell_back"

    zone: str
    expected: str
    active_source: str | None
    why: str


class SignalRecovered(Payload):
    """A zone's readings come from the expected source again.

    Attributes:
        zone: Electricity Maps zone id.
        active_source: That source.
    """

    kind: ClassVar[str] = "signal.recovered"

    zone: str
    active_source: str
