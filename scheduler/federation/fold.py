"""The fold: what each kind of event changes in the federation. Events alone change it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from typing import Literal

from scheduler.accounting.book import Change
from scheduler.accounting.booking import Outcome
from scheduler.carbon.reading import Reading
from scheduler.federation.accepted import Accepted, Evaluated
from scheduler.federation.client import Client
from scheduler.federation.closed_rounds import ClosedRounds
from scheduler.federation.federation import Federation, Run, SignalState
from scheduler.federation.round import AssignmentState, ClosedRound, Round
from scheduler.federation.run import Blocked
from scheduler.federation.zone_readings import ZoneReadings
from scheduler.gate.gate import Gate
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    AssignmentDeclined,
    AssignmentEvaluated,
    AssignmentFailed,
    AssignmentGivenUp,
    AssignmentReissued,
    ClientEnrolled,
    ClientJoined,
    ClientRetired,
    ClientSilent,
    GateChanged,
    GridCaughtUp,
    GridRead,
    GridSettled,
    Payload,
    RoundClosed,
    RoundCommitted,
    RoundEvaluated,
    RoundPlanned,
    RunBlocked,
    RunEnded,
    RunOpened,
    RunStarted,
    RunStopRequested,
    RunUnblocked,
    RunWaiting,
    SignalFellBack,
    SignalRecovered,
    UpdateAccepted,
    UpdateConflicting,
    UpdateDuplicate,
    UpdateLate,
    UpdateRefused,
    WorkRecord,
)


def apply(state: Federation, event: Event) -> None:
    """Fold one event into the federation."""
    state.seq, state.head = event.seq, event.hash
    change(event.payload, event, state)


@singledispatch
def change(payload: Payload, event: Event, state: Federation) -> None:
    """Change the federation as one kind of event says.

    Raises:
        NotImplementedError: If there is no function for that kind.
    """
    raise NotImplementedError(event.kind)


@change.register
def _client_enrolled(enrolled: ClientEnrolled, event: Event, state: Federation) -> None:
    known = state.clients.get(event.client)
    client = known or Client(event.client, enrolled.zone, waiting_since=event.grid_at)
    client.zone, client.num_examples = enrolled.zone, enrolled.num_examples
    client.retired = False
    state.clients[event.client] = client


@change.register
def _client_retired(_: ClientRetired, event: Event, state: Federation) -> None:
    state.clients[event.client].retired = True


@change.register
def _client_joined(joined: ClientJoined, event: Event, state: Federation) -> None:
    client = state.clients[event.client]
    client.incarnation, client.host = joined.incarnation, joined.host
    client.alive = True
    for run in state.active_runs():
        run.failures.pop(event.client, None)


@change.register
def _client_silent(_: ClientSilent, event: Event, state: Federation) -> None:
    state.clients[event.client].alive = False


@change.register
def _gate_changed(changed: GateChanged, event: Event, state: Federation) -> None:
    client = state.clients[event.client]
    was_open = client.gate is not None and client.gate.state == "open"
    client.gate, client.gate_told_at = Gate.from_payload(changed), event.grid_at
    if was_open and changed.state != "open":
        client.waiting_since = event.grid_at


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
    _enter(state, state.book.settle(readings))
    state.book.shelve(state.open_rounds())


@change.register
def _grid_caught_up(found: GridCaughtUp, event: Event, state: Federation) -> None:  # noqa: ARG001 - each kind's
    for zone, several in found.readings.items():
        for kept in several:
            _zone(state, zone).recall(Reading.from_record(zone, kept))


@change.register
def _signal_fell_back(fell: SignalFellBack, event: Event, state: Federation) -> None:
    state.signals[fell.zone] = SignalState(
        fell.expected, fell.active_source, since=event.grid_at, why=fell.why
    )


@change.register
def _signal_recovered(recovered: SignalRecovered, event: Event, state: Federation) -> None:
    source = recovered.active_source
    state.signals[recovered.zone] = SignalState(source, source, since=event.grid_at)


@change.register
def _run_started(started: RunStarted, event: Event, state: Federation) -> None:
    spec = started.spec
    state.runs[event.run] = Run(
        spec, event.at, event.grid_at, last_planned_seq=event.seq,
        due_at=spec.due(event.grid_at), baseline_at=spec.due(event.grid_at),
        closed=ClosedRounds(state.archive),
    )  # fmt: skip
    state.active[event.run] = None


@change.register
def _run_opened(opened: RunOpened, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    run.version = opened.version
    run.num_params = opened.num_params
    run.scored_here = opened.scored_here


@change.register
def _run_waiting(waiting: RunWaiting, event: Event, state: Federation) -> None:
    state.runs[event.run].waiting = waiting


@change.register
def _run_blocked(blocked: RunBlocked, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    since = run.blocked.since if run.blocked else event.at
    run.blocked = Blocked(blocked.step, blocked.text, since)


@change.register
def _run_unblocked(_: RunUnblocked, event: Event, state: Federation) -> None:
    state.runs[event.run].blocked = None


@change.register
def _run_stop_requested(_: RunStopRequested, event: Event, state: Federation) -> None:
    state.runs[event.run].stop_requested = True


@change.register
def _run_ended(ended: RunEnded, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    run.ended_at, run.grid_ended_at = event.at, event.grid_at
    run.end_reason = ended.reason
    run.waiting = run.blocked = None
    if run.open_round is not None:
        # A round cut off makes no version: its work was spent, but does not count.
        _enter(state, state.book.cut_off(run.id, run.open_round.number))
        _lose_open(state, run, run.open_round)
        run.open_round = None
    state.active.pop(run.id, None)
    run.closed.shelve_all()
    state.book.shelve(state.open_rounds())


@change.register
def _round_planned(planned: RoundPlanned, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    run.last_planned_seq, run.waiting = event.seq, None
    if run.open_round is None:
        run.open_round = Round.planned(planned, event)
    run.open_round.invite(planned, event, state.clients)
    for client in planned.cohort:
        state.clients[client].asked += 1


@change.register
def _round_committed(committed: RoundCommitted, event: Event, state: Federation) -> None:
    if round_ := _open_round(state, event):
        round_.manifest = committed.manifest


@change.register
def _round_closed(made: RoundClosed, event: Event, state: Federation) -> None:
    run, round_ = state.runs[event.run], _open_round(state, event)
    if round_ is None:
        return
    closed = ClosedRound.from_event(made, event, round_)
    run.closed.append(closed)
    run.closed.shelve()
    _lose_open(state, run, round_)
    for booking in state.book.of_round(run.id, closed.number):
        if booking.outcome == "counted" and booking.started_at and booking.ended_at:
            earlier = closed.baseline_started - closed.started
            start, end = booking.started_at + earlier, booking.ended_at + earlier
            state.book.want(booking.zone, start, end)
    run.version, run.server_state = closed.version, closed.server_state
    run.baseline_at = run.spec.due(closed.baseline_ended)
    # Occurrences that passed while the round waited for clean power lapse: made up for, they would
    # crowd the rounds together that the schedule spreads.
    run.due_at = run.spec.due(closed.started) if run.spec.cron else event.grid_at
    run.open_round = None
    state.book.shelve(state.open_rounds())


@change.register
def _round_evaluated(evaluated: RoundEvaluated, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    last = event.round == len(run.closed)
    if run.open_round is not None and run.open_round.evaluates and last:
        _lose_open(state, run, run.open_round)
        run.open_round = None
    closed = run.closed.evaluate(event.round, evaluated.metrics)
    value = evaluated.metrics.get(run.spec.metric)
    if closed is not None and value is not None:
        if run.spec.better(value, run.best_value):
            run.best_version, run.best_value = closed.version, value
        if closed.number >= run.last_scored:
            run.last_scored, run.last_value = closed.number, value


@change.register
def _assignment_reissued(reissued: AssignmentReissued, event: Event, state: Federation) -> None:
    if round_ := _open_round(state, event):
        part = round_.cohort[event.client]
        _set_status(state, part, "open")
        part.attempt, part.issued_at = reissued.attempt, event.at
        part.incarnation = state.clients[event.client].incarnation


@change.register
def _assignment_given_up(given_up: AssignmentGivenUp, event: Event, state: Federation) -> None:
    part = _still_open(state, event)
    if part is not None:
        _set_status(state, part, "given_up")
        part.reason = given_up.reason
    if given_up.code == "lost_too_often":
        _count_failure(state, event)
    zone = state.clients[event.client].zone
    _enter(state, state.book.lost(event.run, event.round, event.client, zone))


@change.register
def _assignment_evaluated(evaluated: AssignmentEvaluated, event: Event, state: Federation) -> None:
    if round_ := _open_round(state, event):
        work = evaluated.work
        round_.evaluated[event.client] = Evaluated(work.metrics, work.num_held_out)
    _settle(state, event, evaluated.work, "evaluated")


@change.register
def _assignment_declined(declined: AssignmentDeclined, event: Event, state: Federation) -> None:
    _settle(state, event, declined.work, "declined")


@change.register
def _assignment_failed(failed: AssignmentFailed, event: Event, state: Federation) -> None:
    _settle(state, event, failed.work, "failed")
    _count_failure(state, event)


@change.register
def _update_refused(refused: UpdateRefused, event: Event, state: Federation) -> None:
    part = _settle(state, event, refused.work, "refused")
    if part is not None:
        part.reason = refused.refusal
    _count_failure(state, event)


@change.register
def _update_late(late: UpdateLate, event: Event, state: Federation) -> None:
    _book(state, event, late.work, "late")


@change.register
def _update_duplicate(duplicate: UpdateDuplicate, event: Event, state: Federation) -> None:
    _book(state, event, duplicate.work, "duplicate")


@change.register
def _update_conflicting(conflicting: UpdateConflicting, event: Event, state: Federation) -> None:
    _book(state, event, conflicting.work, "conflicting")


@change.register
def _update_accepted(update: UpdateAccepted, event: Event, state: Federation) -> None:
    run, round_ = state.runs[event.run], _open_round(state, event)
    if round_ is None:
        return
    accepted, client = Accepted.from_payload(update), state.clients[event.client]
    _book(state, event, update.work, "counted")
    round_.accepted[event.client] = accepted
    part = round_.cohort[event.client]
    _set_status(state, part, "accepted")
    run.failures.pop(event.client, None)
    share = part.epochs / run.spec.hyperparameters.epochs if part.epochs else 1.0
    client.learn(accepted, event.grid_at, examples=update.work.examples, share=share)


def _zone(state: Federation, zone: str) -> ZoneReadings:
    if zone not in state.grid:
        state.grid[zone] = ZoneReadings(state.archive)
    return state.grid[zone]


def _open_round(state: Federation, event: Event) -> Round | None:
    round_ = state.runs[event.run].open_round
    return round_ if round_ is not None and round_.number == event.round else None


def _still_open(state: Federation, event: Event) -> AssignmentState | None:
    """Return the assignment of an event if no receipt has answered it yet."""
    round_ = _open_round(state, event)
    part = round_.cohort.get(event.client) if round_ else None
    return part if part is not None and part.status == "open" else None


def _set_status(state: Federation, part: AssignmentState, status: str) -> None:
    state.clients[part.client].answer(part.status, status)
    part.status = status


def _settle(
    state: Federation,
    event: Event,
    work: WorkRecord,
    status: Literal["evaluated", "declined", "failed", "refused"],
) -> AssignmentState | None:
    """Book work that made no update, and return its assignment if it was still open."""
    part = _still_open(state, event)
    if part is not None:
        _set_status(state, part, status)
        part.reason = work.reason
    _book(state, event, work, status)
    return part


def _count_failure(state: Federation, event: Event) -> None:
    failures = state.runs[event.run].failures
    failures[event.client] = failures.get(event.client, 0) + 1


def _book(state: Federation, event: Event, work: WorkRecord, outcome: Outcome) -> None:
    zone = state.clients[event.client].zone
    booked = state.book.answered(
        event.run, event.round, event.client, work, outcome=outcome, zone=zone
    )
    _enter(state, booked)


def _lose_open(state: Federation, run: Run, round_: Round) -> None:
    """Book what was never answered, until it is."""
    for part in round_.open_assignments():
        zone = state.clients[part.client].zone
        _enter(state, state.book.lost(run.id, round_.number, part.client, zone))


def _enter(state: Federation, changes: Iterable[Change]) -> None:
    """Let the sums of runs and clients follow the book."""
    for each in changes:
        booking = each.after or each.before
        if booking is not None:
            state.runs[booking.run].totals.replace(*each)
            state.clients[booking.client].totals.replace(*each)
