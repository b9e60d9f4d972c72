"""What the page says of grams beside the view: settled or not, unknown, idle, and on the network.

Figures of different standing are told apart and never added: see `scheduler.booking`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from scheduler.booking import Booking
from scheduler.tally import Tally


def of_client(tally: Tally) -> dict[str, Any]:
    """Return how surely a client's grams are known; `None` where a site does not say."""
    return {
        "settled_gco2eq": tally.settled_gco2eq,
        "unknown_wh": tally.unknown_wh,
        "apart_gco2eq": tally.apart_gco2eq,
        "idle_wh": tally.idle_wh if tally.idle_known else None,
        "unreported": tally.unreported,
    }


def of_run(bookings: Iterable[Booking], *, settles: bool) -> dict[str, Any]:
    """Return what stands beside a run's own grams, `None` where nobody says it.

    Args:
        bookings: All of the run.
        settles: Whether measured intensities are ever sought; a local signal knows no better ones.
    """
    work = list(bookings)
    whole_wh = _sum(work, lambda b: b.energy_wh)
    settled_wh = _sum([b for b in work if b.settled], lambda b: b.energy_wh)
    return {
        "settled_share": (settled_wh or 0.0) / whole_wh if settles and whole_wh else None,
        "idle_wh": _sum(work, lambda b: b.idle_wh),
        "idle_gco2eq": _sum(work, lambda b: b.idle_gco2eq),
        "network_wh": _sum(work, lambda b: b.network_wh),
        "network_gco2eq": _sum(work, lambda b: b.network_gco2eq),
        "embodied_gco2eq": _sum(work, lambda b: b.embodied_gco2eq),
    }


def _sum(work: Iterable[Booking], figure: Callable[[Booking], float | None]) -> float | None:
    """Return the sum of what is known, `None` if nothing is."""
    known = [value for booking in work if (value := figure(booking)) is not None]
    return sum(known) if known else None
