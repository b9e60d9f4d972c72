"""Scoring: loss and metrics of each version, on our test data or by the sites that pulled it."""

from __future__ import annotations

import math
import time

from scheduler.federation.federation import Federation, Run
from scheduler.federation.round import ClosedRound
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RoundEvaluated
from scheduler.rounds.payloads import held_out_mean
from scheduler.rounds.progress import is_complete
from scheduler.rounds.world import World


def score(world: World, run_id: str) -> None:
    """Score every version of a run that has no score yet, where somebody can score it."""
    for closed in world.run(run_id).unevaluated():
        begun = time.perf_counter()
        metrics = _metrics(world, world.run(run_id), closed)
        if metrics is not None:
            took_s = time.perf_counter() - begun
            _record(
                world, run_id, closed.number, RoundEvaluated(metrics=metrics, evaluate_s=took_s)
            )


def _metrics(world: World, run: Run, closed: ClosedRound) -> dict[str, float] | None:
    """Return a version's metrics, or `None` while nobody has scored it."""
    if run.scored_here:
        found = world.learning.score(run, closed)
        return {name: value for name, value in found.items() if math.isfinite(value)}
    last = run.open_round
    if last is not None and last.evaluates and closed.number == len(run.closed):
        complete = is_complete(world.history.state, run, world.clock.wall())
        return held_out_mean(last.evaluated.values()) if complete else None
    return run.scored_by_clients(closed.number)


def _record(world: World, run_id: str, number: int, payload: RoundEvaluated) -> None:
    def evaluated(state: Federation) -> list[Draft]:
        if all(closed.number != number for closed in state.runs[run_id].unevaluated()):
            return []
        return [Draft(payload, run=run_id, round=number)]

    world.record(evaluated)
