"""What events about grids and carbon sources change."""

from __future__ import annotations

from scheduler.carbon.reading import Reading
from scheduler.federation.federation import Federation, SignalState
from scheduler.federation.fold.bookings import enter
from scheduler.federation.fold.change import change
from scheduler.federation.run_grid import keep_grids_anew
from scheduler.federation.zone_readings import ZoneReadings
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    GridCaughtUp,
    GridRead,
    GridSettled,
    SignalFellBack,
    SignalRecovered,
)


@change.register
def _grid_read(read: GridRead, event: Event, state: Federation) -> None:
    for zone, kept in read.readings.items():
        reading = Reading.from_record(zone, kept) if kept else None
        _zone(state, zone).tell(reading, event.grid_at)
    for client in state.clients.values():
        # Gates are explained by what holds now; what changes them has events of its own.
        if client.gate is not None and (now := read.readings.get(client.zone)):
            client.gate = client.gate.seeing(now.gco2eq_per_kwh)


@change.register
def _grid_settled(settled: GridSettled, event: Event, state: Federation) -> None:  # noqa: ARG001 - each kind's
    readings = [
        Reading.from_record(zone, kept)
        for zone, several in settled.readings.items()
        for kept in several
    ]
    enter(state, state.book.settle(readings))
    state.book.shelve(state.open_rounds())


@change.register
def _grid_caught_up(found: GridCaughtUp, event: Event, state: Federation) -> None:  # noqa: ARG001 - each kind's
    recalled = [
        Reading.from_record(zone, kept)
        for zone, several in found.readings.items()
        for kept in several
    ]
    for reading in recalled:
        _zone(state, reading.zone).recall(reading)
    if recalled:
        keep_grids_anew(state, min(reading.start for reading in recalled))


@change.register
def _signal_fell_back(fell: SignalFellBack, event: Event, state: Federation) -> None:
    state.signals[fell.zone] = SignalState(
        fell.expected, fell.active_source, since=event.grid_at, why=fell.why
    )


@change.register
def _signal_recovered(recovered: SignalRecovered, event: Event, state: Federation) -> None:
    source = recovered.active_source
    state.signals[recovered.zone] = SignalState(source, source, since=event.grid_at)


def _zone(state: Federation, zone: str) -> ZoneReadings:
    if zone not in state.grid:
        state.grid[zone] = ZoneReadings(state.archive)
    return state.grid[zone]
