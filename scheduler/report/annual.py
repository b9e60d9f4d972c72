"""The annual-factor figure: what the same energy emits at the zones' annual mean intensities.

It is what an inventory with annual factors would show. Its difference to the figure by the hour is
that of two methods. It is no saving.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.units import emitted_gco2eq
from scheduler.accounting.booking import Booking
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.reading import Reading
from scheduler.carbon.signals.day_shape import typical_days

_YEAR = timedelta(days=365)

YEAR_S = _YEAR.total_seconds()
"""The span of an annual factor, s."""

_LEAST_SHARE = 0.9
"""A mean of a year of which more than a tenth is missing is none of that year."""

_GUESSES = ("forecast", "stale")

_TYPICAL_DAY = "typical_day.csv, the mean of 2022 (Electricity Maps, ODbL 1.0)"


@dataclass(frozen=True, slots=True)
class AnnualFactor:
    """The mean carbon intensity of a zone over a year, with its source and the span it is of."""

    gco2eq_per_kwh: float
    source: str


@dataclass(frozen=True, slots=True)
class ZoneAtAnnual:
    """The energy of one zone whose emissions are known, by the hour and at the annual factor.

    `hourly_gco2eq` are the settled emissions. `factor` is `None` where there is none of the family
    that the federation counts.
    """

    zone: str
    energy_wh: float
    hourly_gco2eq: float
    factor: AnnualFactor | None

    @property
    def annual_gco2eq(self) -> float | None:
        """Emissions of the same energy at the annual factor; `None` without one."""
        if self.factor is None:
            return None
        return emitted_gco2eq(self.energy_wh, self.factor.gco2eq_per_kwh)


@dataclass(frozen=True, slots=True)
class AnnualFigure:
    """All zones of a report."""

    zones: tuple[ZoneAtAnnual, ...]

    @property
    def energy_wh(self) -> float:
        """Energy whose emissions are known, Wh."""
        return math.fsum(zone.energy_wh for zone in self.zones)

    @property
    def hourly_gco2eq(self) -> float:
        """Its settled emissions, by the hour."""
        return math.fsum(zone.hourly_gco2eq for zone in self.zones)

    @property
    def annual_gco2eq(self) -> float | None:
        """Its emissions at annual factors; `None` if a zone has none, or nothing is known."""
        parts = [zone.annual_gco2eq for zone in self.zones]
        known = [grams for grams in parts if grams is not None]
        return math.fsum(known) if known and len(known) == len(parts) else None


@dataclass(slots=True)
class ZoneReadings:
    """The intensities that a ledger holds, by zone, source and family; guesses are none of them.

    Of each slot, by its start, the seconds it lasts and its intensity in gCO2eq/kWh are kept.
    """

    slots: dict[tuple[str, str, Family], dict[datetime, tuple[float, float]]] = field(
        default_factory=dict
    )

    def see(self, reading: Reading) -> None:
        """Take in a reading; a later one of the same slot replaces it."""
        if reading.quality not in _GUESSES:
            seconds = (reading.end - reading.start).total_seconds()
            key = reading.zone, reading.source, reading.family
            self.slots.setdefault(key, {})[reading.start] = (seconds, reading.gco2eq_per_kwh)

    def annual(self, zone: str, family: Family) -> AnnualFactor | None:
        """Return the mean over the last year of a source that covers it; `None` if none does."""
        found = {s: slots for (z, s, f), slots in self.slots.items() if (z, f) == (zone, family)}
        for source, slots in sorted(found.items(), key=lambda each: (each[0] == _FLAT, each[0])):
            if source == _FLAT:
                return AnnualFactor(slots[max(slots)][1], _STATED)
            if (mean := _mean_of_year(slots)) is not None:
                last = max(slots)
                span = f"{last - _YEAR:%Y-%m-%d} to {last:%Y-%m-%d}"
                return AnnualFactor(mean, f"{source}, mean of its readings from {span}")
        return None


_FLAT = "static"

_STATED = "static, the yearly mean in FAIRWIND_STATIC_GCO2EQ_PER_KWH"


def annual_figure(
    bookings: Sequence[Booking], history: ZoneReadings, family: Family | None
) -> AnnualFigure:
    """Return the emissions of some bookings at annual factors, beside those by the hour.

    Args:
        bookings: Of a report. Those without known emissions are left out on both sides.
        history: What the ledger holds of each zone.
        family: What the federation counts; `None` if nothing was ever known.
    """
    known: dict[str, list[Booking]] = {}
    for booking in bookings:
        if booking.settled_gco2eq is not None:
            known.setdefault(booking.zone, []).append(booking)
    return AnnualFigure(
        tuple(
            ZoneAtAnnual(
                zone,
                math.fsum(b.energy_wh or 0.0 for b in some),
                math.fsum(b.settled_gco2eq or 0.0 for b in some),
                None if family is None else _factor(zone, history, family),
            )
            for zone, some in sorted(known.items())
        )
    )


def _factor(zone: str, history: ZoneReadings, family: Family) -> AnnualFactor | None:
    """Return a zone's annual factor: of the ledger, else of the table of typical days."""
    found = history.annual(zone, family)
    shapes = typical_days()
    if found is None and family == FLOW_TRACED and zone in shapes:
        return AnnualFactor(shapes[zone].mean_gco2eq_per_kwh, _TYPICAL_DAY)
    return found


def _mean_of_year(slots: Mapping[datetime, tuple[float, float]]) -> float | None:
    """Return the mean of the year up to the last slot; `None` if too little of it is known."""
    since = max(slots) - _YEAR
    last = [slot for start, slot in slots.items() if start > since]
    known_s = math.fsum(seconds for seconds, _ in last)
    if known_s < _LEAST_SHARE * YEAR_S:
        return None
    return math.fsum(seconds * value for seconds, value in last) / known_s
