"""Scoring: loss and metrics of each version, on our test data and by the sites that pulled it."""

from __future__ import annotations

import time

from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Federation, Run
from scheduler.ledger.event import Draft
from scheduler.ledger.events import Evaluation, RoundEvaluated
from scheduler.rounds.payloads import mean_over_sites
from scheduler.rounds.progress import is_complete
from scheduler.rounds.world import World


def score(world: World, run_id: str) -> None:
    """Score every version of a run that has no score yet, where somebody can score it."""
    for closed in world.run(run_id).unevaluated("coordinator"):
        begun = time.perf_counter()
        metrics = dict(world.learning.score(world.run(run_id), closed))
        took_s = time.perf_counter() - begun
        payload = RoundEvaluated(metrics=metrics, by="coordinator", evaluate_s=took_s)
        _record(world, run_id, closed.number, payload)
    for closed in world.run(run_id).unevaluated("sites"):
        found = _found_by_sites(world, world.run(run_id), closed)
        if found is not None:
            payload = RoundEvaluated(**dict(found), by="sites")
            _record(world, run_id, closed.number, payload)


def _found_by_sites(world: World, run: Run, closed: ClosedRound) -> Evaluation | None:
    """Return what a version is worth at its sites, or `None` while none has evaluated it."""
    last = run.open_round
    if last is not None and last.evaluates and closed.number == len(run.closed):
        if not is_complete(
            world.history.state, run, world.judged_at(run), grid_now=world.clock.grid()
        ):
            return None
        return mean_over_sites(last.evaluated.values()) or Evaluation(metrics={})
    return run.evaluated_by_sites(closed.number)


def _record(world: World, run_id: str, number: int, payload: RoundEvaluated) -> None:
    def evaluated(state: Federation) -> list[Draft]:
        left = state.runs[run_id].unevaluated(payload.by)
        if all(closed.number != number for closed in left):
            return []
        return [Draft(payload, run=run_id, round=number)]

    world.record(evaluated)
