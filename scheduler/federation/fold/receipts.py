"""What receipts change, and assignments that are issued again or given up."""

from __future__ import annotations

from typing import Literal

from common.messages import Reason
from scheduler.federation.accepted import Accepted, Evaluated
from scheduler.federation.federation import Federation
from scheduler.federation.fold.bookings import book, enter, open_round_of
from scheduler.federation.fold.change import change
from scheduler.federation.problem import Problem, ProblemStatus
from scheduler.federation.round import AssignmentState
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    AssignmentDeclined,
    AssignmentEvaluated,
    AssignmentFailed,
    AssignmentGivenUp,
    AssignmentReissued,
    UpdateAccepted,
    UpdateConflicting,
    UpdateDuplicate,
    UpdateLate,
    UpdateRefused,
    WorkRecord,
)


@change.register
def _assignment_reissued(reissued: AssignmentReissued, event: Event, state: Federation) -> None:
    if round_ := open_round_of(state, event):
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
        _note_problem(state, event, "given_up", given_up.reason)
    if given_up.code == "lost_too_often":
        _count_failure(state, event)
    zone = state.clients[event.client].zone
    enter(state, state.book.lost(event.run, event.round, event.client, zone))


@change.register
def _assignment_evaluated(evaluated: AssignmentEvaluated, event: Event, state: Federation) -> None:
    if round_ := open_round_of(state, event):
        work = evaluated.work
        round_.evaluated[event.client] = Evaluated(work.metrics, work.num_held_out)
    _settle(state, event, evaluated.work, "evaluated")


@change.register
def _assignment_declined(declined: AssignmentDeclined, event: Event, state: Federation) -> None:
    _settle(state, event, declined.work, "declined")
    reason = declined.work.reason
    holds = reason is not None and reason.not_before is not None
    state.clients[event.client].decline = reason if holds else None


@change.register
def _assignment_failed(failed: AssignmentFailed, event: Event, state: Federation) -> None:
    _settle(state, event, failed.work, "failed")
    _count_failure(state, event)
    reason = failed.work.reason
    if reason is not None and reason.code == "too_long":
        state.runs[event.run].too_long.add(event.client)


@change.register
def _update_refused(refused: UpdateRefused, event: Event, state: Federation) -> None:
    _settle(state, event, refused.work, "refused", refused.refusal)
    _count_failure(state, event)


@change.register
def _update_late(late: UpdateLate, event: Event, state: Federation) -> None:
    book(state, event, late.work, "late")


@change.register
def _update_duplicate(duplicate: UpdateDuplicate, event: Event, state: Federation) -> None:
    book(state, event, duplicate.work, "duplicate")


@change.register
def _update_conflicting(conflicting: UpdateConflicting, event: Event, state: Federation) -> None:
    book(state, event, conflicting.work, "conflicting")


@change.register
def _update_accepted(update: UpdateAccepted, event: Event, state: Federation) -> None:
    run, round_ = state.runs[event.run], open_round_of(state, event)
    if round_ is None:
        return
    accepted, client = Accepted.from_payload(update), state.clients[event.client]
    book(state, event, update.work, "counted")
    round_.accepted[event.client] = accepted
    part = round_.cohort[event.client]
    _set_status(state, part, "accepted")
    run.failures.pop(event.client, None)
    share = part.epochs / run.spec.hyperparameters.epochs if part.epochs else 1.0
    client.learn(accepted, event.grid_at, examples=update.work.examples, share=share)


def _still_open(state: Federation, event: Event) -> AssignmentState | None:
    """Return the assignment of an event if no receipt has answered it yet."""
    round_ = open_round_of(state, event)
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
    reason: Reason | None = None,
) -> AssignmentState | None:
    """Book work that made no update, and return its assignment if it was still open.

    `reason` says why, where the work itself does not.
    """
    part = _still_open(state, event)
    if part is not None:
        _set_status(state, part, status)
        part.reason = reason or work.reason
        if status != "evaluated":
            _note_problem(state, event, status, part.reason)
    book(state, event, work, status)
    return part


def _note_problem(
    state: Federation, event: Event, status: ProblemStatus, reason: Reason | None
) -> None:
    problems = state.runs[event.run].problems
    before = problems.get(event.client)
    times = before.times + 1 if before else 1
    problems[event.client] = Problem(status, event.round, reason, times)


def _count_failure(state: Federation, event: Event) -> None:
    failures = state.runs[event.run].failures
    failures[event.client] = failures.get(event.client, 0) + 1
