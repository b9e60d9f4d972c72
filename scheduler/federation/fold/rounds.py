"""What events about rounds change."""

from __future__ import annotations

from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Federation
from scheduler.federation.fold.bookings import lose_open, open_round_of
from scheduler.federation.fold.change import change
from scheduler.federation.round import Round
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
    elif run.open_round.pending:
        run.open_round.begin(planned, event)
    run.open_round.invite(planned, event, state.clients, memory=run.memory)
    for client in planned.cohort:
        state.clients[client].asked += 1


@change.register
def _round_committed(committed: RoundCommitted, event: Event, state: Federation) -> None:
    if round_ := open_round_of(state, event):
        round_.manifest, round_.latest = committed.manifest, committed.latest
        round_.divisor, round_.total = committed.divisor, committed.total
        round_.controls = committed.controls


@change.register
def _round_closed(made: RoundClosed, event: Event, state: Federation) -> None:
    run, round_ = state.runs[event.run], open_round_of(state, event)
    if round_ is None:
        return
    closed = ClosedRound.from_event(made, event, round_)
    if closed.number == 1 and not run.scored_here:
        run.first_evaluation = run.first_evaluation or closed.held_out
    if run.spec.bias == "memory":
        run.latest |= {line.client: line for line in closed.manifest}
    run.closed.append(closed)
    run.closed.shelve()
    following = None
    if run.spec.carries and not run.complete:
        following = Round.following(
            round_, made.version, event, most_stale=run.spec.most_stale,
            pending=not run.spec.is_async,
        )  # fmt: skip
    lose_open(state, run, round_, stays=following.cohort if following else ())
    for booking in state.book.counted_in(run.id, closed.issued):
        if booking.started_at and booking.ended_at:
            earlier = closed.baseline_shift(booking, is_async=run.spec.is_async)
            start, end = booking.started_at + earlier, booking.ended_at + earlier
            state.book.want(booking.zone, start, end)
    run.version, run.server_state = closed.version, closed.server_state
    run.controls = run.controls.after(closed)
    run.baseline_at = run.spec.due(closed.baseline_ended)
    # Occurrences that passed while the round waited for clean power lapse: made up for, they would
    # crowd the rounds together that the schedule spreads.
    run.due_at = run.spec.due(closed.started) if run.spec.cron else event.grid_at
    run.open_round = following
    state.book.shelve(state.open_rounds())


@change.register
def _round_evaluated(evaluated: RoundEvaluated, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    by_sites, last = evaluated.by == "sites", event.round == len(run.closed)
    if run.open_round is not None and run.open_round.evaluates and by_sites and last:
        lose_open(state, run, run.open_round)
        run.open_round = None
    evaluation, metric = evaluated.evaluation, run.spec.metric
    beside = by_sites and run.scored_here
    closed = run.closed.evaluate(event.round, evaluation, beside=beside)
    if closed is None or beside:
        return
    value = evaluation.whole(metric)
    if value is not None and run.better(value):
        run.best_version, run.best_value, run.no_better = closed.version, value, 0
    elif value is not None:
        run.no_better += 1
    if evaluation.metrics.get(metric) is not None and closed.number >= run.last_scored:
        run.last_scored, run.last_evaluation = closed.number, evaluation
    if goal := run.spec.goal:
        run.goal_reached |= goal.is_reached(evaluation.whole(goal.metric))
