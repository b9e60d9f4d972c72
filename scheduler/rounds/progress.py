"""Progress: what a run wants next: a plan, or a round to be closed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from scheduler.carbon.signal import HOUR, slot_start
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import AssignmentState, Round
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunWaiting
from scheduler.selection.plan import Plan, places


def is_due(run: Run, clients: Mapping[str, Client], grid_now: datetime) -> bool:
    """Return whether a round is to be planned, or more clients for one short of its quorum.

    An asynchronous run has room for more as long as fewer than its concurrency are out.
    """
    if run.version is None or run.ended_at or run.stop_requested or run.complete:
        return False
    if run.spec.is_async and run.open_round is not None:
        free = places(run.spec, run.open_round)
        return run.open_round.manifest is None and free > 0 and not run.grams_spent
    if (round_ := run.round_under_way) is not None:
        short = len(round_.accepted) < run.spec.quorum
        return (
            short
            and round_.manifest is None
            and not round_.hopeful({name for name, c in clients.items() if c.alive})
        )
    return run.due_at is not None and grid_now >= run.due_at


def wants_last_score(run: Run, grid_now: datetime) -> bool:
    """Return whether a run's sites are still to score its last version, which nobody else pulls.

    They do where they scored the version before it, within a grid day: by then every zone has had
    its cleanest hours. What a spent gram budget does not cover is left out.
    """
    if not run.complete or not run.sites_evaluate:
        return False
    if run.found_by_sites(run.closed[-1]) is not None:
        return False
    last, in_time = run.closed[-1], grid_now < run.closed[-1].ended + _SCORED_WITHIN
    return last.held_out is not None and in_time and not run.grams_spent


_SCORED_WITHIN = timedelta(days=1)


def waiting_events(run: Run, body: RunWaiting) -> list[Draft]:
    """Return the event that says why a round waits, once per change of the reasons.

    The numbers of a policy's reason change all the time; its code and its best hour do not.
    """
    if run.waiting is not None and _gist(run.waiting) == _gist(body):
        return []
    # While others train, an asynchronous run goes on.
    if run.spec.is_async and run.open_round is not None and run.open_round.open_assignments():
        return []
    return [Draft(body, run=run.id, round=len(run.closed) + 1)]


def _gist(waiting: RunWaiting) -> tuple[object, ...]:
    code = waiting.because.get("code")
    return waiting.reason, waiting.codes, code, waiting.best_at


def run_waiting(plan: Plan, grid_now: datetime) -> RunWaiting:
    """Return why a plan that invites nobody does not."""
    assert plan.waiting is not None  # noqa: S101 - it invites nobody, for the type checker
    codes = plan.verdicts.code_by_client()
    because = dict(plan.because)
    best_at = None
    for name in {"best_in_h", "in_h"} & because.keys():
        hours = float(because.pop(name) or 0.0)
        best_at = slot_start(grid_now) + hours * HOUR
    return RunWaiting(reason=plan.waiting, codes=codes, because=because, best_at=best_at)


_FILLED_WITHIN = timedelta(days=1)
"""A buffer that nobody adds to for so long becomes a version: every zone had its cleanest hours."""


def deadline_of(run: Run, round_: Round, part: AssignmentState) -> datetime:
    """Return until when an assignment is waited for, wall clock."""
    if not run.spec.is_async:
        return round_.deadline
    return part.answer_from + timedelta(seconds=run.spec.deadline_s)


def is_complete(state: Federation, run: Run, wall_now: datetime, *, grid_now: datetime) -> bool:
    """Return whether a run's open round has all it waits for."""
    if run.round_under_way is None or run.open_round is None or run.ended_at is not None:
        return False
    if run.spec.is_async and not run.open_round.evaluates:
        full = len(run.open_round.accepted) >= run.open_round.target
        return full or _ends_short(state, run, run.open_round, grid_now)
    return run.open_round.complete(run.spec.quorum, wall_now, state.clients)


def _ends_short(state: Federation, run: Run, round_: Round, grid_now: datetime) -> bool:
    """Return whether a buffer that is not full becomes a version: nobody is left to fill it."""
    accepted = round_.accepted
    if len(accepted) < run.spec.least_updates or run.paused:
        return False
    if run.hours_spent(grid_now):
        return True
    if round_.open_assignments():
        return False
    others = any(
        c.alive and not c.paused and not c.retired and c.id not in accepted
        for c in state.clients.values()
    )
    newest = max(update.ended_at for update in accepted.values())
    return not others or run.out_of_grams or grid_now >= newest + _FILLED_WITHIN


def stands_still(state: Federation, run: Run, wall_now: datetime, *, grid_now: datetime) -> bool:
    """Return whether a run's open round waits for nobody: it is complete, or needs others."""
    round_ = run.round_under_way
    if round_ is None or run.ended_at is not None:
        return False
    if run.spec.is_async and not round_.evaluates:
        return True  # each answer leaves a place for another client
    return is_complete(state, run, wall_now, grid_now=grid_now) or (
        len(round_.accepted) < run.spec.quorum and round_.is_answered
    )
