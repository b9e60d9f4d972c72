"""A recorded run, read from a ledger, made ready to be simulated under another policy.

The ledger holds when clients were available, what their work used and took, and the intensities of
the grids. It holds neither the gates' settings nor data: what a model would have learned is
unknown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.errors import FederationError
from scheduler.accounting.booking import Booking
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR
from scheduler.federation.federation import Federation, Run
from scheduler.federation.fold import apply
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    ClientEnrolled,
    ClientJoined,
    ClientRetired,
    ClientRevoked,
    ClientSilent,
    GridCaughtUp,
    GridRead,
    GridSettled,
    ReadingRecord,
    UpdateAccepted,
    UpdateLate,
)
from scheduler.status.which_run import find_run, newest_run
from simulation.counterfactual.client_measurements import ClientMeasurements
from simulation.counterfactual.ledger_signal import LedgerSignal, Stretch, hourly
from simulation.counterfactual.recorded_run import MOST_ASSUMED, Member, RecordedRun
from simulation.grids.truth import hour_of
from simulation.scenario.scenario import ClientPart, GatePart, Scenario

_LONGEST_DEADLINE_S = 366 * 86_400.0


def read_recorded_run(
    events: Iterable[Event], run_id: str | None, *, gate: GatePart
) -> RecordedRun:
    """Return a recorded run, the newest one by default.

    Args:
        events: All events of a ledger.
        run_id: Its name.
        gate: The gates' settings.

    Raises:
        FederationError: If there is no such run, it closed no round, or more than a tenth
            of its hours lack a figure.
    """
    recorded = _RecordedEvents()
    for event in events:
        recorded.take(event)
    state = recorded.state
    run = _find_run(state, run_id)
    bookings = tuple(
        booking
        for number in range(1, len(run.closed) + 1)
        for booking in state.book.of_round(run.id, number)
    )
    start, ended = run.grid_started_at, run.closed[-1].ended
    members = _members(recorded, run, bookings, ended)
    past = RecordedRun(
        run, _scenario(run, recorded.speed(run), [m.part for m in members], gate), members,
        family=(family := state.book.family or FLOW_TRACED), bookings=bookings,
        signal=_signal(recorded, run, [str(m.part.zone) for m in members], family),
    )  # fmt: skip
    _refuse_gaps(past, (ended - start) / HOUR)
    return past


@dataclass(slots=True)
class _RecordedEvents:
    """What the folded federation drops of its events, by client and by zone."""

    state: Federation = field(default_factory=Federation)
    switches: dict[str, list[tuple[datetime, bool]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    read: dict[str, dict[datetime, Reading]] = field(default_factory=lambda: defaultdict(dict))
    settled: dict[str, dict[datetime, Reading]] = field(default_factory=lambda: defaultdict(dict))
    updates: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    last: dict[str, Event] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        apply(self.state, event)
        match event.payload:
            case (
                ClientEnrolled()
                | ClientRetired()
                | ClientRevoked()
                | ClientJoined()
                | ClientSilent()
            ):
                client = self.state.clients[event.client]
                is_there = client.alive and not client.retired
                self.switches[event.client].append((event.grid_at, is_there))
            case UpdateAccepted() | UpdateLate():
                self.updates[event.run].append(event)
            case GridRead(readings=readings):
                for zone, kept in readings.items():
                    _note(self.read, zone, [kept] if kept else [])
            case GridCaughtUp(readings=found):
                for zone, several in found.items():
                    _note(self.read, zone, several)
            case GridSettled(readings=found):
                for zone, several in found.items():
                    _note(self.settled, zone, several)
        if event.run:
            self.last[event.run] = event

    def speed(self, run: Run) -> float:
        """Return how many seconds of the grid clock passed in one of the wall clock."""
        last = self.last[run.id]
        wall = last.at - run.started_at
        return (last.grid_at - run.grid_started_at) / wall if wall > timedelta() else 1.0


def _note(
    kept: dict[str, dict[datetime, Reading]], zone: str, several: Sequence[ReadingRecord]
) -> None:
    for record in several:
        reading = Reading.from_record(zone, record)
        kept[zone][reading.start] = reading


def _find_run(state: Federation, run_id: str | None) -> Run:
    run = find_run(state, run_id) if run_id else newest_run(state)
    if run is None:
        msg = "The ledger holds no run, so none can be replayed. Begin: `fairwind run start`."
        raise FederationError(msg)
    if not run.closed:
        msg = (
            f"No round of {run.id} was closed, so there is nothing to replay. Wait for its first "
            "round, or name another run."
        )
        raise FederationError(msg)
    return run


def _scenario(run: Run, speed: float, clients: Sequence[ClientPart], gate: GatePart) -> Scenario:
    deadline_s = min(run.spec.deadline_s * speed, _LONGEST_DEADLINE_S)
    spec = run.spec.model_copy(update={"rounds": len(run.closed), "deadline_s": deadline_s})
    return Scenario(
        name=run.id, seed=run.spec.seed, start=run.grid_started_at, run=spec, gate=gate,
        clients=tuple(clients),
    )  # fmt: skip


def _members(
    recorded: _RecordedEvents, run: Run, bookings: Sequence[Booking], ended: datetime
) -> tuple[Member, ...]:
    """Return the clients that were ever available before the last round was closed."""
    measured = ClientMeasurements(
        run, bookings, recorded.updates[run.id], speed=recorded.speed(run)
    )
    members = []
    for client in recorded.state.clients.values():
        course = [(at, there) for at, there in recorded.switches[client.id] if at <= ended]
        start = run.grid_started_at
        was_there = next((there for at, there in reversed(course) if at <= start), False)
        switches, is_there = [], was_there
        for at, there in course:
            if at > start and there != is_there:
                switches.append(at)
                is_there = there
        if not was_there and not switches:
            continue
        part, is_guessed = measured.part(client.id, client.zone), not measured.knows(client.id)
        members.append(Member(client.id, part, was_there, tuple(switches), is_guessed))
    return tuple(members)


def _signal(
    recorded: _RecordedEvents, run: Run, zones: Sequence[str], family: Family
) -> LedgerSignal:
    known = {}
    booked = defaultdict(list)
    for b in recorded.state.book:
        if b.booked and b.booked.family == family and b.started_at and b.ended_at:
            end = max(b.ended_at, b.started_at + datetime.resolution)
            booked[b.zone].append(Stretch(b.started_at, end, b.booked.gco2eq_per_kwh))

    def of(kept: dict[str, dict[datetime, Reading]], zone: str) -> dict[int, float]:
        readings = (r for r in kept.get(zone, {}).values() if r.family == family)
        return hourly(Stretch(r.start, r.end, r.gco2eq_per_kwh) for r in readings)

    for zone in sorted(set(zones)):
        known[zone] = hourly(booked[zone]) | of(recorded.read, zone) | of(recorded.settled, zone)
        if not known[zone]:
            msg = (
                f"The ledger holds no carbon intensity of {zone} ({family}), so {run.id} cannot "
                "be replayed. Replay a run from a time in which the signal covered it."
            )
            raise FederationError(msg)
    return LedgerSignal(known, family, start=hour_of(run.grid_started_at))


def _refuse_gaps(past: RecordedRun, hours: float) -> None:
    missing, all_ = past.assumed(hours)
    if missing > MOST_ASSUMED * all_:
        msg = (
            f"The ledger holds no carbon intensity for {missing} of the {all_} hours of "
            f"{past.run.id} in its {len(past.signal.zones())} zones, more than a tenth, so it was "
            "not replayed: the figures would be guesses. Replay another run."
        )
        raise FederationError(msg)
