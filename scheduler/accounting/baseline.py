"""What a round emitted, and what the same work would have emitted without waiting for clean power.

The baseline keeps the cohort and the Wh of every round and starts each round as soon as the
previous baseline round ends (or when its schedule makes it due), under the same readings. Work that
began in its own time, as all does in an asynchronous run, begins with the baseline's round there.
What the choice of place saved is a separate figure: the same Wh at the mean of all zones at the
same time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.units import emitted_gco2eq
from scheduler.accounting.booking import Booking
from scheduler.carbon import mean

Mean = Callable[[str, datetime, datetime], float | None]
"""The mean intensity of a zone between two instants of the grid clock, `None` if unknown."""

Measured = Callable[[str, datetime, datetime], mean.Mean | None]
"""The same with its labels, from measured intensities alone."""


@dataclass(frozen=True, slots=True)
class RoundAccount:
    """One round's figures.

    Energy and emissions cover what is known. The others are `None` where anything they need is
    unknown: a difference to a sum with gaps would pass for grams avoided.
    """

    energy_wh: float
    gco2eq: float
    baseline_gco2eq: float | None
    baseline_ended: datetime
    fleet_gco2eq: float | None


def baseline_shift(
    booking: Booking, number: int, planned_at: datetime, baseline_at: datetime, *, is_async: bool
) -> timedelta:
    """Return by how much work is moved to where the baseline has it; negative if that is earlier.

    Args:
        booking: With a known start.
        number: Of the round in which it counts.
        planned_at: When that was planned, grid clock.
        baseline_at: When the baseline's round starts, grid clock.
        is_async: Whether every client trains in its own time.
    """
    own_time = is_async or booking.round != number
    return baseline_at - (booking.started_at if own_time and booking.started_at else planned_at)


def account(
    bookings: Iterable[Booking],
    zones: Collection[str],
    *,
    number: int,
    planned_at: datetime,
    ended_at: datetime,
    baseline_at: datetime,
    mean: Mean,
    is_async: bool = False,
) -> RoundAccount:
    """Add up a round. All times are on the grid clock.

    Args:
        bookings: Those of one round; what did not count is left out.
        number: The round's.
        zones: The zone of every client of the federation; a zone of two clients weighs twice.
        planned_at: When the round was planned; `ended_at` when it was closed.
        ended_at: See there.
        baseline_at: When the baseline's round starts.
        mean: Intensities.
        is_async: Whether every client trains in its own time.
    """
    lasted = timedelta(0) if is_async else ended_at - planned_at
    counted = [booking for booking in bookings if booking.outcome == "counted"]
    baseline: float | None = 0.0
    fleet: float | None = 0.0
    shares = sorted(Counter(zones).items())
    for booking in counted:
        start, end = booking.started_at, booking.ended_at
        energy = None if booking.gco2eq is None else booking.energy_wh
        if start is None or end is None or energy is None:
            baseline = fleet = None
            break
        shift = baseline_shift(booking, number, planned_at, baseline_at, is_async=is_async)
        lasted = max(lasted, end - start) if is_async else lasted
        everywhere = _fleet_mean([(mean(zone, start, end), count) for zone, count in shares])
        baseline = _add(baseline, energy, mean(booking.zone, start + shift, end + shift))
        fleet = _add(fleet, energy, everywhere)
    return RoundAccount(
        energy_wh=sum(booking.energy_wh or 0.0 for booking in counted),
        gco2eq=sum(booking.gco2eq or 0.0 for booking in counted),
        baseline_gco2eq=baseline,
        baseline_ended=baseline_at + lasted,
        fleet_gco2eq=fleet,
    )


def _fleet_mean(intensities: Iterable[tuple[float | None, int]]) -> float | None:
    """Return the mean of what is known, each intensity weighted by its number of clients."""
    known = [(intensity, count) for intensity, count in intensities if intensity is not None]
    clients = sum(count for _, count in known)
    return sum(intensity * count for intensity, count in known) / clients if known else None


def _add(total: float | None, energy_wh: float | None, intensity: float | None) -> float | None:
    if total is None or energy_wh is None or intensity is None:
        return None
    return total + emitted_gco2eq(energy_wh, intensity)


@dataclass(frozen=True, slots=True)
class Settled:
    """A round's emissions and its baseline's, both at measured intensities, gCO2eq."""

    gco2eq: float
    baseline_gco2eq: float


def settled_account(
    bookings: Iterable[Booking], *, earlier: Callable[[Booking], timedelta], measured: Measured
) -> Settled | None:
    """Return a round's account at measured intensities, `None` while any of them is missing.

    Args:
        bookings: Those of one round; what did not count is left out.
        earlier: By how much a piece of work is moved, as `baseline_shift` returns it.
        measured: The measured intensities.
    """
    grams: float | None = 0.0
    baseline: float | None = 0.0
    for booking in bookings:
        if booking.outcome != "counted":
            continue
        start, end = booking.started_at, booking.ended_at
        if start is None or end is None or booking.settled is None:
            return None
        shift = earlier(booking)
        then = measured(booking.zone, start + shift, end + shift)
        grams = _add(grams, booking.energy_wh, booking.settled.gco2eq_per_kwh)
        baseline = _add(baseline, booking.energy_wh, then.gco2eq_per_kwh if then else None)
    return None if grams is None or baseline is None else Settled(grams, baseline)
