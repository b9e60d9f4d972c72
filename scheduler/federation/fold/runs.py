"""What events about runs change."""

from __future__ import annotations

from dataclasses import replace

from scheduler.federation.closed_rounds import ClosedRounds
from scheduler.federation.federation import Federation, Run
from scheduler.federation.fold.bookings import enter, lose_open
from scheduler.federation.fold.change import change
from scheduler.federation.run import Blocked, Pause
from scheduler.federation.run_grid import keep_grid
from scheduler.ledger.event import Event
from scheduler.ledger.events import (
    RunBlocked,
    RunEnded,
    RunOpened,
    RunPaused,
    RunResumed,
    RunStarted,
    RunStopRequested,
    RunUnblocked,
    RunWaiting,
)


@change.register
def _run_started(started: RunStarted, event: Event, state: Federation) -> None:
    spec = started.spec
    state.runs[event.run] = Run(
        spec, event.at, event.grid_at, num_enrolled=len(state.clients), last_planned_seq=event.seq,
        lower_is_better=spec.lower_is_better(stated=False),
        due_at=spec.due(event.grid_at), baseline_at=spec.due(event.grid_at),
        closed=ClosedRounds(state.archive),
    )  # fmt: skip
    state.active[event.run] = None


@change.register
def _run_opened(opened: RunOpened, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    run.version = opened.version
    run.frozen = opened.frozen
    run.num_params = opened.num_params
    run.personal, run.num_personal = opened.personal, opened.num_personal
    run.scored_here = opened.scored_here
    run.first_evaluation = opened.evaluation
    run.lower_is_better = run.spec.lower_is_better(stated=opened.lower_is_better)


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
    run = state.runs[event.run]
    run.blocked, run.unblocked_at = None, event.at


@change.register
def _run_paused(_: RunPaused, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    run.pauses = (*run.pauses, Pause(event.grid_at))
    run.waiting = None


@change.register
def _run_resumed(_: RunResumed, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    *before, pause = run.pauses
    run.pauses = (*before, replace(pause, end=event.grid_at))
    # What came due in the pause lapses; a round that was due before it is still due.
    if run.due_at is not None and run.due_at >= pause.start:
        run.due_at = run.spec.due(event.grid_at)


@change.register
def _run_stop_requested(_: RunStopRequested, event: Event, state: Federation) -> None:
    state.runs[event.run].stop_requested = True


@change.register
def _run_ended(ended: RunEnded, event: Event, state: Federation) -> None:
    run = state.runs[event.run]
    run.ended_at, run.grid_ended_at = event.at, event.grid_at
    run.end_reason, run.end_text = ended.reason, ended.text
    run.waiting = run.blocked = None
    run.memory.clear()
    if run.open_round is not None:
        # A round cut off makes no version: its work was spent, but does not count.
        for each in (run.open_round.accepted, run.open_round.early):
            for client, update in each.items():
                enter(state, state.book.uncounted(run.id, update.issued, client))
        lose_open(state, run, run.open_round)
        run.open_round = None
    state.active.pop(run.id, None)
    run.closed.shelve_all()
    keep_grid(state, run)
    state.book.shelve(state.open_rounds())
