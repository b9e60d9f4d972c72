"""Totals: sums over bookings that follow every change of a booking."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.accounting.booking import Booking


@dataclass(slots=True)
class Totals:
    """What is known to have been used, in sums; unknown figures are left out and counted apart.

    Attributes:
        counted_wh: Energy of work that is in a model or will be, Wh.
        counted_gco2eq: Its emissions as booked, where they are known.
        uncounted_wh: Energy of work that is in no model: late, refused, failed and so on.
        uncounted_gco2eq: Its emissions as booked, where they are known.
        settled_wh: The part of all that energy whose intensity has been measured since, Wh.
        settled_gco2eq: Emissions of all of it under the surest intensity there is.
        unknown_wh: Energy whose emissions under the federation's family are unknown, Wh.
        apart_gco2eq: Emissions known in another family alone: never to be added to the others.
        idle_wh: What reserved hardware used while it waited, where a site reports it.
        idle_known: How many bookings have it.
        idle_gco2eq: Its emissions, where they are known.
        network_wh: What bytes used on their way, Wh, modelled.
        network_gco2eq: Its emissions, where they are known.
        embodied_gco2eq: The share of making the hardware, where a site reports it.
        unreported: Pieces of work whose energy was never reported.
    """

    counted_wh: float = 0.0
    counted_gco2eq: float = 0.0
    uncounted_wh: float = 0.0
    uncounted_gco2eq: float = 0.0
    settled_wh: float = 0.0
    settled_gco2eq: float = 0.0
    unknown_wh: float = 0.0
    apart_gco2eq: float = 0.0
    idle_wh: float = 0.0
    idle_known: int = 0
    idle_gco2eq: float = 0.0
    network_wh: float = 0.0
    network_gco2eq: float = 0.0
    embodied_gco2eq: float = 0.0
    unreported: int = 0

    @property
    def energy_wh(self) -> float:
        """Everything known to have been used for the work itself, Wh."""
        return self.counted_wh + self.uncounted_wh

    @property
    def gco2eq(self) -> float:
        """All emissions of the work itself that were known when it was booked, gCO2eq."""
        return self.counted_gco2eq + self.uncounted_gco2eq

    def replace(self, before: Booking | None, after: Booking | None) -> None:
        """Follow a booking that is new, is replaced by another, or is taken back."""
        if before is not None:
            self._add(before, -1)
        if after is not None:
            self._add(after, 1)

    def _add(self, booking: Booking, sign: int) -> None:
        energy_wh, grams = booking.energy_wh, booking.gco2eq
        self.network_wh += sign * (booking.network_wh or 0.0)
        self.network_gco2eq += sign * (booking.network_gco2eq or 0.0)
        if energy_wh is None:
            self.unreported += sign
            return
        if booking.outcome == "counted":
            self.counted_wh += sign * energy_wh
            self.counted_gco2eq += sign * (grams or 0.0)
        else:
            self.uncounted_wh += sign * energy_wh
            self.uncounted_gco2eq += sign * (grams or 0.0)
        self.settled_gco2eq += sign * (booking.settled_gco2eq or 0.0)
        self.apart_gco2eq += sign * (booking.apart_gco2eq or 0.0)
        self.embodied_gco2eq += sign * (booking.embodied_gco2eq or 0.0)
        if booking.settled is not None:
            self.settled_wh += sign * energy_wh
        if booking.settled_gco2eq is None:
            self.unknown_wh += sign * energy_wh
        self._add_idle(booking, sign)

    def _add_idle(self, booking: Booking, sign: int) -> None:
        if booking.idle_wh is not None:
            self.idle_wh += sign * booking.idle_wh
            self.idle_gco2eq += sign * (booking.idle_gco2eq or 0.0)
            self.idle_known += sign
