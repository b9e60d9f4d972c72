"""Figures: the sums of some bookings, whatever groups them: a round, a site, a zone, a month."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scheduler.accounting.booking import Booking


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSums:
    """Sums over some bookings. What is unknown is left out of them, and counted apart.

    Attributes:
        tasks: Assignments a client worked on, each once.
        unreported: Those whose energy no site reported.
        examples: Examples trained on, each as often as it was.
        flops: Floating-point operations of that training, where known; `None` if of no task.
        energy_wh: Electricity of the work itself at the wall, Wh.
        gco2eq: Its operational emissions, location-based, as booked, gCO2eq.
        settled_gco2eq: The same, settled: at the intensity measured since, else as booked.
        settled_wh: Energy of which the intensity has been measured since, Wh.
        unknown_when_booked_wh: Energy whose emissions were unknown when it was booked, Wh.
        unknown_wh: Energy whose emissions still are unknown, Wh.
        apart_gco2eq: Emissions known in another family alone: in no other sum, gCO2eq.
        idle_wh: Reserved hardware while it waited; `None` if no site reports it.
        idle_gco2eq: Its emissions, settled; `None` if unknown.
        network_wh: The bytes' way, both ways, modelled; `None` if unknown.
        network_gco2eq: Its emissions at the intensity of the client's zone; `None` if unknown.
        embodied_gco2eq: Share of making the hardware; `None` if no site reports it.
    """

    tasks: int
    unreported: int
    examples: int
    flops: float | None
    energy_wh: float
    gco2eq: float
    settled_gco2eq: float
    settled_wh: float
    unknown_when_booked_wh: float
    unknown_wh: float
    apart_gco2eq: float
    idle_wh: float | None
    idle_gco2eq: float | None
    network_wh: float | None
    network_gco2eq: float | None
    embodied_gco2eq: float | None

    @property
    def electricity_wh(self) -> float:
        """Electricity bought by the sites: of work and, where reported, of idle hardware."""
        return self.energy_wh + (self.idle_wh or 0.0)

    @property
    def electricity_gco2eq(self) -> float:
        """Emissions of that electricity, settled, as far as they are known."""
        return self.settled_gco2eq + (self.idle_gco2eq or 0.0)

    @property
    def extended_gco2eq(self) -> float:
        """Work, idle hardware and network, as far as they are known."""
        return self.electricity_gco2eq + (self.network_gco2eq or 0.0)

    @property
    def all_gco2eq(self) -> float:
        """The same and embodied emissions, as far as they are known: the numerator of an SCI."""
        return self.extended_gco2eq + (self.embodied_gco2eq or 0.0)


def add_up(bookings: Iterable[Booking]) -> ReportSums:
    """Return the sums of some bookings."""
    some = list(bookings)
    return ReportSums(
        tasks=len(some),
        unreported=sum(b.energy is None for b in some),
        examples=sum(b.examples for b in some),
        flops=_known(some, lambda b: b.flops),
        energy_wh=energy_of(some),
        gco2eq=_known(some, lambda b: b.gco2eq) or 0.0,
        settled_gco2eq=_known(some, lambda b: b.settled_gco2eq) or 0.0,
        settled_wh=energy_of(b for b in some if b.settled),
        unknown_when_booked_wh=energy_of(b for b in some if b.gco2eq is None),
        unknown_wh=energy_of(b for b in some if b.settled_gco2eq is None),
        apart_gco2eq=_known(some, lambda b: b.apart_gco2eq) or 0.0,
        idle_wh=_known(some, lambda b: b.idle_wh),
        idle_gco2eq=_known(some, lambda b: b.idle_gco2eq),
        network_wh=_known(some, lambda b: b.network_wh),
        network_gco2eq=_known(some, lambda b: b.network_gco2eq),
        embodied_gco2eq=_known(some, lambda b: b.embodied_gco2eq),
    )


def energy_of(bookings: Iterable[Booking]) -> float:
    """Return the energy that some bookings reported, Wh."""
    return math.fsum(b.energy_wh or 0.0 for b in bookings)


def per(gco2eq: float, units: float | None) -> float | None:
    """Return emissions per functional unit, R of the SCI specification; `None` without a unit."""
    return gco2eq / units if units else None


def _known(bookings: Sequence[Booking], figure: Callable[[Booking], float | None]) -> float | None:
    values = [value for b in bookings if (value := figure(b)) is not None]
    return math.fsum(values) if values else None
