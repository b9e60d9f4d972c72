"""Scoring: what each version is worth, by our test data or by the clients that pulled it."""

from __future__ import annotations

import math
import time

from common.errors import FairwindError
from common.log import get_logger
from scheduler.federation.federation import Run
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RoundEvaluated
from tasks.coordinator.coordinator import Coordinator

_log = get_logger(__name__)


def score_versions(c: Coordinator) -> None:
    """Score every version that has no score yet, where somebody can score it."""
    for run in c.ledger.state().active_runs():
        for closed in run.unevaluated():
            begun = time.perf_counter()
            metrics = _score(c, run, closed.number, closed.version)
            if metrics is None:
                continue
            scored = RoundEvaluated(metrics=metrics, evaluate_s=time.perf_counter() - begun)
            with c.ledger.transaction() as tx:
                tx.append(Draft(scored, run=run.id, round=closed.number))
            _log.info("round.evaluated", run=run.id, round=closed.number, **metrics)


def _score(c: Coordinator, run: Run, number: int, version: str) -> dict[str, float] | None:
    """Return a version's score by our test data, or by the clients that pulled it afterwards."""
    try:
        if c.workbench.has_test_data(run.spec.workload):
            scores = c.workbench.score(run.spec.workload, c.blobs.path(version))
            return {name: value for name, value in scores.items() if math.isfinite(value)}
    except FairwindError as error:
        _log.error("round.not_evaluated", run=run.id, round=number, reason=str(error))
        return {}
    return run.scored_by_clients(number)
