"""How the book, and the sums that follow it, are changed by several kinds of events."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from scheduler.accounting.book import Change
from scheduler.accounting.booking import Outcome
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import AssignmentState, Round
from scheduler.federation.run import WorkSums
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    WorkRecord,
)


def open_round_of(state: Federation, event: Event) -> Round | None:
    """Return the round of an event if it is open."""
    round_ = state.runs[event.run].open_round
    return round_ if round_ is not None and round_.number == event.round else None


def open_part_of(state: Federation, event: Event) -> tuple[Round, AssignmentState] | None:
    """Return the open round, and in it the client's part of which an event is, if it has that."""
    round_ = state.runs[event.run].open_round
    part = round_.part(event.client, event.round) if round_ is not None else None
    return None if round_ is None or part is None else (round_, part)


def book(state: Federation, event: Event, work: WorkRecord, outcome: Outcome) -> None:
    """Book the work of a receipt."""
    zone = state.clients[event.client].zone
    booked = state.book.answered(
        event.run, event.round, event.client, work, outcome=outcome, zone=zone
    )
    enter(state, booked)


def lose_open(state: Federation, run: Run, round_: Round, *, stays: Collection[str] = ()) -> None:
    """Book what was never answered, until it is, but for the clients whose assignment stays."""
    for part in round_.open_assignments():
        if part.client not in stays:
            zone = state.clients[part.client].zone
            enter(state, state.book.lost(run.id, part.round, part.client, zone))


def enter(state: Federation, changes: Iterable[Change]) -> None:
    """Let the sums of runs and clients follow the book."""
    for each in changes:
        booking = each.after or each.before
        if booking is not None:
            run = state.runs[booking.run]
            run.totals.replace(*each)
            run.work.setdefault(booking.client, WorkSums()).replace(*each)
            state.clients[booking.client].totals.replace(*each)
