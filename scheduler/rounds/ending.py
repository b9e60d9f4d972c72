"""When a run is over. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from scheduler.federation.federation import Run
from scheduler.ledger.events import EndReason, RunEnded


def end_reason(run: Run, grid_now: datetime) -> EndReason | None:
    """Return why a run ends now: ``stopped``, ``rounds``, ``hours`` or ``grams``; `None` if not.

    A run that reached its rounds waits for the score of its last version. A gram budget is spent
    when nothing is left of it, or when what is left does not cover the round that was planned.
    """
    spec = run.spec
    if run.stop_requested:
        return "stopped"
    if spec.hours is not None and grid_now >= run.grid_started_at + timedelta(hours=spec.hours):
        return "hours"
    if run.waiting is not None and run.waiting.reason == "over_budget":
        return "grams"  # also where a round is short of its quorum, which it could never reach
    if run.open_round is not None:
        return None
    if run.complete:
        return "rounds" if run.closed[-1].metrics is not None or not run.scored_here else None
    return "grams" if spec.grams is not None and run.spent_gco2eq >= spec.grams else None


def end_body(run: Run, reason: EndReason, text: str) -> RunEnded:
    """Return the payload of ``run.ended``; `text` says more where the reason is not enough."""
    best = run.best_version or run.version
    return RunEnded(reason=reason, text=text, last_version=run.version, best_version=best)
