"""What events about rounds change."""

from __future__ import annotations

from scheduler.federation.federation import Federation
from scheduler.federation.fold.bookings import lose_open, open_round_of
from scheduler.federation.fold.change import change
from scheduler.federation.round import ClosedRound, Round
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    RoundClosed,
    RoundCommitted,
    RoundEvaluated,
    RoundPlanned,
)


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
    if round_ := open_round_of(state, event):
        round_.manifest = committed.manifest


@change.register
def _round_closed(made: RoundClosed, event: Event, state: Federation) -> None:
    run, round_ = state.runs[event.run], open_round_of(state, event)
    if round_ is None:
        return
    closed = ClosedRound.from_event(made, event, round_)
    run.closed.append(closed)
    run.closed.shelve()
    lose_open(state, run, round_)
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
        lose_open(state, run, run.open_round)
        run.open_round = None
    closed = run.closed.evaluate(event.round, evaluated.metrics)
    value = evaluated.metrics.get(run.spec.metric)
    if closed is not None and value is not None:
        if run.spec.better(value, run.best_value):
            run.best_version, run.best_value = closed.version, value
        if closed.number >= run.last_scored:
            run.last_scored, run.last_value = closed.number, value
