"""Progress: what a run wants next: a plan, a round to be closed, work to be given up. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from common.messages import Reason
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation, Run
from scheduler.ledger.event import Draft
from scheduler.ledger.events import AssignmentGivenUp, RunWaiting
from scheduler.selection.plan import Plan


def is_due(run: Run, clients: Mapping[str, Client], grid_now: datetime) -> bool:
    """Return whether a round is to be planned, or more clients for one short of its quorum."""
    if run.version is None or run.ended_at or run.stop_requested or run.complete:
        return False
    if run.open_round is not None:
        short = len(run.open_round.accepted) < run.spec.quorum
        return (
            short
            and run.open_round.manifest is None
            and not run.open_round.hopeful({name for name, c in clients.items() if c.alive})
        )
    return run.due_at is not None and grid_now >= run.due_at


def wants_last_score(run: Run, grid_now: datetime) -> bool:
    """Return whether a run's sites are still to score its last version, which nobody else pulls.

    They do where they scored the versions before it, within a grid day: by then every zone has had
    its cleanest hours. What a spent gram budget does not cover is left out.
    """
    if not run.complete or run.scored_here or run.closed[-1].metrics is not None:
        return False
    last, grams = run.closed[-1], run.spec.grams
    affordable = grams is None or run.spent_gco2eq < grams
    return bool(last.held_out) and affordable and grid_now < last.ended + _SCORED_WITHIN


_SCORED_WITHIN = timedelta(days=1)


def waiting_events(run: Run, body: RunWaiting) -> list[Draft]:
    """Return the event that says why a round waits, once per change of the reasons.

    The numbers of a policy's reason change all the time; its code and its best hour do not.
    """
    if run.waiting is not None and _gist(run.waiting) == _gist(body):
        return []
    return [Draft(body, run=run.id, round=len(run.closed) + 1)]


def _gist(waiting: RunWaiting) -> tuple[object, ...]:
    code = waiting.because.get("code")
    return waiting.reason, waiting.codes, code, waiting.best_at


def run_waiting(plan: Plan, grid_now: datetime) -> RunWaiting:
    """Return why a plan that invites nobody does not."""
    assert plan.waiting is not None  # noqa: S101 - it invites nobody, for the type checker
    codes = {verdict.client: verdict.code for verdict in plan.verdicts}
    because = dict(plan.because)
    best_at = None
    for name in {"best_in_h", "in_h"} & because.keys():
        hours = float(because.pop(name) or 0.0)
        best_at = slot_start(grid_now) + hours * HOUR
    return RunWaiting(reason=plan.waiting, codes=codes, because=because, best_at=best_at)


def overdue(run: Run, wall_now: datetime) -> list[Draft]:
    """Return the events that give up what is still out when a round's deadline has passed."""
    round_ = run.open_round
    if round_ is None or round_.manifest is not None or wall_now < round_.deadline:
        return []
    missed = Reason(code="deadline", text="No answer before the deadline.")
    body = AssignmentGivenUp(code="deadline", reason=missed)
    return [Draft(body, run.id, round_.number, part.client) for part in round_.open_assignments()]


def is_complete(state: Federation, run: Run, wall_now: datetime) -> bool:
    """Return whether a run's open round has all it waits for."""
    if run.open_round is None or run.ended_at is not None:
        return False
    return run.open_round.complete(run.spec.quorum, wall_now, state.clients)


def stands_still(state: Federation, run: Run, wall_now: datetime) -> bool:
    """Return whether a run's open round waits for nobody: it is complete, or needs others."""
    round_ = run.open_round
    if round_ is None or run.ended_at is not None:
        return False
    return is_complete(state, run, wall_now) or (
        len(round_.accepted) < run.spec.quorum and not round_.open_assignments()
    )
