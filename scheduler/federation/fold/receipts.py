"""What receipts change, and assignments that are issued again or given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from common.messages import MemoryRef, Reason
from scheduler.accounting.plausible import placed, plausible
from scheduler.federation.accepted import Accepted, Evaluated
from scheduler.federation.federation import Federation, Run
from scheduler.federation.fold.bookings import book, enter, open_part_of
from scheduler.federation.fold.change import change
from scheduler.federation.problem import Problem, ProblemStatus
from scheduler.federation.round import UNANSWERED, AssignmentState
from scheduler.federation.run import SiteScore
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    AssignmentDeclined,
    AssignmentEvaluated,
    AssignmentFailed,
    AssignmentGivenUp,
    AssignmentReissued,
    ReceiptPayload,
    UpdateAccepted,
    UpdateConflicting,
    UpdateDuplicate,
    UpdateLate,
    UpdateLost,
    UpdateRefused,
    WorkRecord,
)
from scheduler.ledger.events.assignment import AT_SITE

_CLOCK_SET = timedelta(days=1)
"""Work that was recorded may have taken so much longer: the clock may have been set back."""


@change.register
def _assignment_reissued(reissued: AssignmentReissued, event: Event, state: Federation) -> None:
    if found := open_part_of(state, event):
        _, part = found
        _set_status(state, part, "open")
        part.attempt, part.issued_at = reissued.attempt, event.at
        if reissued.code == "model_altered":
            state.runs[event.run].altered[event.client] = event.round
        if reissued.code in AT_SITE:
            part.lost += 1
        elif reissued.code != "coordinator_failed":
            part.undelivered += 1
        part.incarnation = state.clients[event.client].incarnation


@change.register
def _assignment_given_up(given_up: AssignmentGivenUp, event: Event, state: Federation) -> None:
    part = _still_expected(state, event)
    if part is not None and part.status == "open":
        status: ProblemStatus = "undelivered" if given_up.code == "undelivered" else "given_up"
        _set_status(state, part, status)
        part.reason = given_up.reason
        at = part.issued_at if given_up.code in ("deadline", "stale") else None
        _note_problem(state, event, status, given_up.reason, at)
    zone = state.clients[event.client].zone
    enter(state, state.book.lost(event.run, event.round, event.client, zone))


@change.register
def _assignment_evaluated(evaluated: AssignmentEvaluated, event: Event, state: Federation) -> None:
    work = _believed(state, event, evaluated)
    if found := open_part_of(state, event):
        round_, _ = found
        round_.evaluated[event.client] = Evaluated.by(work)
        _keep_score(state.runs[event.run], event, work)
    _settle(state, event, work, "evaluated")
    _resolve_problem(state, event)


@change.register
def _assignment_declined(declined: AssignmentDeclined, event: Event, state: Federation) -> None:
    _settle(state, event, _believed(state, event, declined), "declined")
    reason = declined.work.reason
    holds = reason is not None and reason.not_before is not None
    state.clients[event.client].decline = reason if holds else None


@change.register
def _assignment_failed(failed: AssignmentFailed, event: Event, state: Federation) -> None:
    _settle(state, event, _believed(state, event, failed), "failed")


@change.register
def _update_refused(refused: UpdateRefused, event: Event, state: Federation) -> None:
    _settle(state, event, _believed(state, event, refused), "refused", refused.refusal)


@change.register
def _update_late(late: UpdateLate, event: Event, state: Federation) -> None:
    _book_uncounted(state, event, late, "late")


@change.register
def _update_duplicate(duplicate: UpdateDuplicate, event: Event, state: Federation) -> None:
    _book_uncounted(state, event, duplicate, "duplicate")


@change.register
def _update_conflicting(conflicting: UpdateConflicting, event: Event, state: Federation) -> None:
    _book_uncounted(state, event, conflicting, "conflicting")


def _book_uncounted(
    state: Federation,
    event: Event,
    payload: ReceiptPayload,
    outcome: Literal["late", "duplicate", "conflicting"],
) -> None:
    """Book work of an answer that counts for nothing, and count the answer."""
    answers = state.book.spare_answers.setdefault(event.run, {})
    answers[event.client] = answers.get(event.client, 0) + 1
    book(state, event, _believed(state, event, payload), outcome)


@change.register
def _update_accepted(update: UpdateAccepted, event: Event, state: Federation) -> None:
    run, found = state.runs[event.run], open_part_of(state, event)
    if found is None:
        return
    round_, part = found
    work, client = _believed(state, event, update), state.clients[event.client]
    accepted = Accepted.by(work, update.admission, event.round)
    book(state, event, work, "counted")
    round_.count(event.client, accepted)
    _set_status(state, part, "accepted")
    _resolve_problem(state, event)
    _keep_score(run, event, work)
    made = work.memory
    _remember(run, event.client, MemoryRef(sha256=made, round=event.round) if made else None)
    if work.memory_lost:
        run.memory_lost[event.client] = event.round
    share = part.epochs / run.spec.hyperparameters.epochs if part.epochs else 1.0
    client.learn(accepted, event.grid_at, examples=work.examples, share=share)


@change.register
def _update_lost(_: UpdateLost, event: Event, state: Federation) -> None:
    run, found = state.runs[event.run], open_part_of(state, event)
    if found is None or event.client not in found[0].accepted:
        return
    round_, part = found
    round_.take_back(event.client)
    # The site may have it still: it has as long to answer as for a new assignment.
    deadline = event.at + timedelta(seconds=run.spec.deadline_s)
    round_.deadline = max(round_.deadline, deadline)
    client = state.clients[event.client]
    _set_status(state, part, "open")
    part.update_lost = True
    _remember(run, event.client, part.memory)  # it starts again from where it did
    part.undelivered += 1
    part.attempt, part.issued_at = part.attempt + 1, event.at
    part.incarnation = client.incarnation
    client.updates -= 1
    enter(state, state.book.uncounted(run.id, part.round, event.client))


def _believed(state: Federation, event: Event, payload: ReceiptPayload) -> WorkRecord:
    """Return the work of a receipt without the figures that cannot be true; note its privacy."""
    run, client = state.runs[event.run], state.clients[event.client]
    within = event.at - run.started_at + _CLOCK_SET
    _note_privacy(run, event.client, payload.work)
    return plausible(
        placed(payload.work, since=run.grid_started_at, until=event.grid_at),
        within=within, most_examples=client.most_held_out(run.spec.weight_cap),
    )  # fmt: skip


def _note_privacy(run: Run, client: str, work: WorkRecord) -> None:
    """Keep the most that a site has reported: answers may come in another order, or twice."""
    spent, before = work.privacy, run.privacy.get(client)
    if spent is not None and (before is None or spent.trainings > before.trainings):
        run.privacy[client] = spent


def _keep_score(run: Run, event: Event, work: WorkRecord) -> None:
    """Keep what a client found of the version that it pulled, unless that is older than another."""
    before = run.site_scores.get(event.client)
    if work.num_held_out and (before is None or before.version < event.round):
        value = work.metrics.get(run.spec.metric)
        run.site_scores[event.client] = SiteScore(event.round - 1, value)


def _remember(run: Run, client: str, memory: MemoryRef | None) -> None:
    """Let a client's next assignment start from a state; from an empty one if it is `None`."""
    if memory is None:
        run.memory.pop(client, None)
    else:
        run.memory[client] = memory


def _still_expected(state: Federation, event: Event) -> AssignmentState | None:
    """Return the assignment of an event if no receipt has answered it yet."""
    found = open_part_of(state, event)
    return found[1] if found is not None and found[1].status in UNANSWERED else None


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
    """Book work that made no update, and return its assignment if nothing answered it before.

    `reason` says why, where the work itself does not.
    """
    part = _still_expected(state, event)
    if part is not None:
        _set_status(state, part, status)
        part.reason = reason or work.reason
        if status != "evaluated":
            _note_problem(state, event, status, part.reason)
    book(state, event, work, status)
    return part


def _note_problem(
    state: Federation,
    event: Event,
    status: ProblemStatus,
    reason: Reason | None,
    issued_at: datetime | None = None,
) -> None:
    problems = state.runs[event.run].problems
    problem = Problem(status, event.round, reason, event.at if issued_at is None else issued_at)
    problems[event.client] = problem.after(problems.get(event.client))


def _resolve_problem(state: Federation, event: Event) -> None:
    problems = state.runs[event.run].problems
    if problem := problems.get(event.client):
        problems[event.client] = problem.resolved()
