"""Grams recomputed: every booking from what its receipt reported and from the ledger's readings.

``O = E * I`` of the SCI specification 1.1 is worked out anew for each piece of work, and each
round's sums from its pieces.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from common.errors import SignalError
from common.units import emitted_gco2eq
from scheduler.carbon.mean import Mean, mean_over
from scheduler.carbon.reading import SUREST_FIRST
from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    GridCaughtUp,
    GridRead,
    GridSettled,
    RoundClosed,
    WorkRecord,
)

GramStatus = Literal["same", "different", "unproven"]
"""``unproven``: the ledger holds no reading that the booking could rest on."""

_LOOKED_FOR = timedelta(days=7)
"""So long after it was booked, on the grid clock, later readings may prove an intensity."""


@dataclass(frozen=True, slots=True)
class GramCheck:
    """One booking, or the sums of one round, compared with what was recomputed.

    Attributes:
        seq: The event that booked it.
        run: The run's name.
        round: Its number in the run.
        client: Whose work it is; empty for the sums of a round.
        status: What was found.
        fault: What differs, or what is missing; empty if nothing is.
    """

    seq: int
    run: str
    round: int
    client: str
    status: GramStatus
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Pending:
    event: Event
    work: WorkRecord
    zone: str


def check_grams(events: Iterable[Event]) -> Iterator[GramCheck]:
    """Yield what was found of every booking, once that is clear.

    Args:
        events: All of a ledger, in order; they are folded anew.
    """
    state, pending = Federation(), list[_Pending]()
    for event in events:
        payload = event.payload
        if isinstance(payload, RoundClosed):
            yield _round(state, event, payload)
        work = getattr(payload, "work", None)
        zone = state.clients[event.client].zone if isinstance(work, WorkRecord) else ""
        apply(state, event)
        if isinstance(work, WorkRecord):
            fault = _arithmetic(work)
            if fault:
                yield _found(event, "different", fault)
            else:
                pending.append(_Pending(event, work, zone))
        if isinstance(work, WorkRecord) or isinstance(
            payload, (GridRead, GridCaughtUp, GridSettled)
        ):
            proven = [each for each in pending if _is_proven(state, each)]
            yield from (_found(each.event, "same") for each in proven)
            late = [each for each in pending if event.grid_at - each.event.grid_at > _LOOKED_FOR]
            gone = {id(each) for each in (*proven, *late)}
            yield from (_verdict(state, each) for each in late if each not in proven)
            pending = [each for each in pending if id(each) not in gone]
    yield from (_verdict(state, each) for each in pending)


def _arithmetic(work: WorkRecord) -> str:
    """Return what does not follow from a receipt's own figures; empty if all does."""
    energy = work.energy
    if energy is not None and energy.parts:
        parts_wh = sum(part.energy_wh for part in energy.parts) * energy.pue
        if not _alike(parts_wh, energy.energy_wh):
            return f"{energy.energy_wh:g} Wh booked, {parts_wh:g} Wh from its parts and PUE"
    grams = None
    if energy is not None and work.intensity is not None:
        grams = emitted_gco2eq(energy.energy_wh, work.intensity.gco2eq_per_kwh)
    expected = (grams, None) if work.comparable else (None, grams)
    for booked, recomputed in zip((work.gco2eq, work.gco2eq_apart), expected, strict=True):
        if not _alike(booked, recomputed):
            return f"{_shown(booked)} booked, {_shown(recomputed)} from its energy and intensity"
    return ""


def _is_proven(state: Federation, pending: _Pending) -> bool:
    """Return whether the ledger's readings, as they are now, give the intensity that was booked."""
    booked = pending.work.intensity
    if booked is None:
        return True  # nothing is claimed
    return any(
        known is not None
        and str(known.family) == booked.family
        and _alike(known.gco2eq_per_kwh, booked.gco2eq_per_kwh)
        for known in _known(state, pending)
    )


def _verdict(state: Federation, pending: _Pending) -> GramCheck:
    """Return what to say of an intensity that no readings gave.

    A figure that is surer than the ledger's readings may have come between two of them; one that
    is not surer would have been recorded.
    """
    booked = pending.work.intensity
    assert booked is not None  # noqa: S101 - nothing else stays pending
    found, _ = _known(state, pending)
    if found is None or SUREST_FIRST.index(booked.quality) < SUREST_FIRST.index(found.quality):
        fault = (
            f"{booked.gco2eq_per_kwh:g} gCO2eq/kWh ({booked.quality}) booked, of which the ledger "
            "holds no reading"
        )
        return _found(pending.event, "unproven", fault)
    fault = (
        f"{booked.gco2eq_per_kwh:g} gCO2eq/kWh booked, {found.gco2eq_per_kwh:g} from the readings "
        f"of {pending.zone}"
    )
    return _found(pending.event, "different", fault)


def _known(state: Federation, pending: _Pending) -> tuple[Mean | None, Mean | None]:
    """Return the intensity by the readings while work ran, and as measured since."""
    start, end = pending.work.grid_started_at, pending.work.grid_ended_at
    series, found = state.grid.get(pending.zone), None
    if series is not None:
        try:
            found = mean_over(series.readings(), start, end)
        except SignalError:
            found = None
    return found, state.book.measured(pending.zone, start, end)


def _round(state: Federation, event: Event, closed: RoundClosed) -> GramCheck:
    """Compare the sums of a round with its bookings, before the event that closes it."""
    run = state.runs[event.run]
    accepted = run.open_round.accepted if run.open_round is not None else {}
    issued = {client: update.issued for client, update in accepted.items()}
    counted = state.book.counted_in(run.id, issued)
    sums = {
        "Wh": (closed.energy_wh, sum(each.energy_wh or 0.0 for each in counted)),
        "gCO2eq": (closed.gco2eq, sum(each.gco2eq or 0.0 for each in counted)),
    }
    for unit, (booked, recomputed) in sums.items():
        if not _alike(booked, recomputed):
            fault = f"{booked:g} {unit} booked, {recomputed:g} {unit} from its bookings"
            return _found(event, "different", fault)
    return _found(event, "same")


def _found(event: Event, status: GramStatus, fault: str = "") -> GramCheck:
    return GramCheck(event.seq, event.run, event.round, event.client, status, fault)


def _alike(one: float | None, other: float | None) -> bool:
    """Return whether two figures are the same but for the rounding of sums."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def _shown(gco2eq: float | None) -> str:
    return "unknown" if gco2eq is None else f"{gco2eq:g} gCO2eq"
