"""Ending a run: when it is over, why, and what its user is given."""

from __future__ import annotations

from datetime import datetime

from common.errors import FairwindError, describe, ends_process
from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import Round
from scheduler.ledger.event import Draft
from scheduler.ledger.events import EndReason, RunEnded
from scheduler.rounds.progress import wants_last_score
from scheduler.rounds.scoring import score
from scheduler.rounds.world import World


def end(world: World, run_id: str) -> None:
    """End a run whose budget is spent: export its versions, and record it."""
    reason = end_reason(world.run(run_id), world.clock.grid())
    if reason is not None:
        world.learning.export(world.run(run_id))
        _record(world, run_id, reason, "")


def stop(world: World, run_id: str) -> None:
    """End a run that was asked to stop. What fails on the way is said and stops nothing."""
    run = world.run(run_id)
    if not run.stop_requested:
        return
    faults = []
    steps = [world.learning.export] if run.version is not None else []
    if run.scored_here and run.blocked is None:
        steps.insert(0, lambda run: score(world, run.id))
    for step in steps:
        try:
            step(world.run(run_id))
        except (Exception, SystemExit) as error:  # a stop is obeyed, whatever else fails
            if ends_process(error):
                raise
            faults.append(str(error) if isinstance(error, FairwindError) else describe(error))
    _record(world, run_id, "stopped", " ".join(faults))


def _record(world: World, run_id: str, reason: EndReason, text: str) -> None:
    def ended(state: Federation) -> list[Draft]:
        run = state.runs[run_id]
        if run.ended_at is not None:
            return []
        return [Draft(run_ended(run, reason, text), run=run_id)]

    world.record(ended)


def end_reason(run: Run, grid_now: datetime) -> EndReason | None:
    """Return why a run ends now, as `spent_budget` names it; `None` if it does not.

    No run ends before the coordinator has scored its last version.
    """
    if run.scored_here and run.closed and run.closed[-1].evaluation is None:
        return None
    return spent_budget(run, grid_now)


def spent_budget(run: Run, grid_now: datetime) -> EndReason | None:
    """Return what ends a run: its goal, no progress, or which budget is spent; `None` if nothing.

    A run that reached its rounds waits for its sites' score of the last version, where they can
    give one. A gram budget is spent when nothing is left of it, or when what is left does not
    cover the round that was planned.
    """
    if run.hours_spent(grid_now):
        return "hours"
    may_end = run.round_under_way is None or _may_end(run, run.round_under_way)
    if run.waiting is not None and run.waiting.reason == "over_budget":
        # also where a round is short of its quorum, which it could never reach
        return "grams" if may_end or not run.spec.is_async else None
    if not may_end:
        return None
    if run.goal_reached or run.learns_no_more:
        return "reached" if run.goal_reached else "no_progress"
    if run.complete:
        return None if wants_last_score(run, grid_now) else "rounds"
    return "grams" if run.grams_spent else None


def _may_end(run: Run, round_: Round) -> bool:
    """Return whether a run may end although a round is open: a buffer that makes no version."""
    if not run.spec.is_async or round_.evaluates or round_.manifest is not None:
        return False
    if run.goal_reached or run.learns_no_more:
        return True
    return not round_.open_assignments() and len(round_.accepted) < run.spec.least_updates


def run_ended(run: Run, reason: EndReason, text: str) -> RunEnded:
    """Return the payload of ``run.ended``; `text` says more where the reason is not enough."""
    best = run.best_version or run.version
    return RunEnded(reason=reason, text=text, last_version=run.version, best_version=best)
