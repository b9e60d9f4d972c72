"""A client's practice: what one of its updates costs at present, by its bookings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.accounting.booking import Booking
from scheduler.carbon.week import DAY

LOOKBACK = timedelta(days=35)
"""How far back practice and history are looked at: five whole weeks."""

MONTH = timedelta(days=30)

_J_PER_WH = 3600


@dataclass(frozen=True, slots=True)
class Practice:
    """How one client works: means over its counted updates whose energy and grid are known.

    Attributes:
        updates: How many counted updates the means rest on; at least one.
        per_month: Updates in 30 days at the present rate.
        energy_wh: Electricity of one update at the wall, Wh.
        gpu_wh: The part of it that GPUs used, facility overhead included, Wh.
        gco2eq_per_kwh: Carbon intensity of its work, weighted by energy.
        joule_per_sample: Energy for one example, J; `None` if it counts no examples.
        pue: Power usage effectiveness of its newest update.
        idle_gco2eq: Emissions of its waiting hardware for each update; `None` if not reported.
        idle_share: Share of waiting hardware in its energy; `None` if not reported.
        network_wh: Electricity for the bytes of one update, both ways, Wh; `None` if unknown.
        wasted_gco2eq: Emissions of work that did not count, for each update that did.
    """

    updates: int
    per_month: float
    energy_wh: float
    gpu_wh: float
    gco2eq_per_kwh: float
    joule_per_sample: float | None
    pue: float
    idle_gco2eq: float | None
    idle_share: float | None
    network_wh: float | None
    wasted_gco2eq: float

    @property
    def gco2eq(self) -> float:
        """Operational emissions of one update, gCO2eq."""
        return self.energy_wh * self.gco2eq_per_kwh / 1000

    @property
    def network_gco2eq(self) -> float | None:
        """Emissions of the bytes of one update, at the intensity of its work, gCO2eq."""
        return None if self.network_wh is None else self.network_wh * self.gco2eq_per_kwh / 1000


def practices(bookings: Iterable[Booking], until: datetime) -> dict[str, Practice]:
    """Return every client's practice of five weeks, of those that have one.

    Args:
        bookings: Work of any clients, in any order.
        until: When the five weeks end, on the grid clock.
    """
    mine: dict[str, list[Booking]] = defaultdict(list)
    for booking in bookings:
        if booking.ended_at is not None and booking.ended_at > until - LOOKBACK:
            mine[booking.client].append(booking)
    found = {client: _practice(work, until) for client, work in mine.items()}
    return {client: practice for client, practice in found.items() if practice is not None}


def _practice(work: Sequence[Booking], until: datetime) -> Practice | None:
    whole = [b for b in work if b.outcome == "counted" and b.settled_gco2eq is not None]
    counted = sorted(whole, key=lambda b: b.ended_at or until)
    energy_wh = _sum(counted, lambda b: b.energy_wh)
    if not energy_wh:
        return None
    updates = len(counted)
    begun = min(b.started_at for b in work if b.started_at is not None)
    # A first day is not stretched to a month by more than what is known of a day.
    span = max(DAY, min(LOOKBACK, until - begun))
    examples = sum(b.examples for b in counted)
    idle = [b for b in work if b.idle_wh is not None]
    idle_wh = _sum(idle, lambda b: b.idle_wh)
    network = [b for b in counted if b.network_wh is not None]
    energies = [b.energy for b in counted if b.energy is not None]
    gpu_wh = sum(p.energy_wh * e.pue for e in energies for p in e.parts if p.device == "gpu")
    return Practice(
        updates=updates,
        per_month=updates * (MONTH / span),
        energy_wh=energy_wh / updates,
        gpu_wh=gpu_wh / updates,
        gco2eq_per_kwh=_sum(counted, lambda b: b.settled_gco2eq) * 1000 / energy_wh,
        joule_per_sample=energy_wh * _J_PER_WH / examples if examples else None,
        pue=energies[-1].pue,
        idle_gco2eq=_sum(idle, lambda b: b.idle_gco2eq) / updates if idle else None,
        idle_share=idle_wh / (idle_wh + energy_wh) if idle else None,
        network_wh=_sum(network, lambda b: b.network_wh) / len(network) if network else None,
        wasted_gco2eq=_sum((b for b in work if b.outcome != "counted"), _emitted) / updates,
    )


def _emitted(booking: Booking) -> float | None:
    return booking.settled_gco2eq


def _sum(bookings: Iterable[Booking], figure: Callable[[Booking], float | None]) -> float:
    return sum(figure(booking) or 0.0 for booking in bookings)
