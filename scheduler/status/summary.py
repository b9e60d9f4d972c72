"""A run's figures: progress, score, emissions, what waiting avoided, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.federation.problem import Problem, ProblemStatus
from scheduler.federation.run import Run
from scheduler.status.altered import altered_models
from scheduler.status.blocker import because
from scheduler.status.memory import lost_memory
from scheduler.status.scores import ends_early, notes, score_of


def summary(run: Run) -> dict[str, Any]:
    """Return a run's figures: progress, score, emissions, and what waiting avoided."""
    sums = run.closed.sums
    baseline, fleet, emitted = sums.baseline_gco2eq, sums.fleet_gco2eq, sums.gco2eq
    avoided = None if baseline is None else baseline - emitted
    last = run.closed[-1] if run.closed else None
    return {
        "id": run.id,
        "workload": run.spec.workload,
        "policy": run.spec.policy,
        "status": run.status,
        "reason": run.end_reason,
        "blocked": None
        if run.blocked is None
        else {
            "step": run.blocked.step,
            "text": run.blocked.text,
            "since": run.blocked.since.timestamp(),
        },
        "rounds_done": len(run.closed),
        "rounds_total": run.spec.rounds,
        **score_of(run),
        "ends_early": None if run.ended_at else ends_early(run),
        "notes": [*notes(run), *lost_memory(run), *altered_models(run)],
        "energy_wh": sums.energy_wh,
        "emitted_gco2eq": emitted,
        "baseline_gco2eq": baseline,
        "avoided_gco2eq": avoided,
        "avoided_share": avoided / baseline if avoided is not None and baseline else None,
        "place_gco2eq": None if fleet is None else fleet - emitted,
        "uncounted_gco2eq": run.uncounted_gco2eq,
        "uncounted_wh": run.uncounted_wh,
        "booked_gco2eq": run.totals.gco2eq,
        "settled_gco2eq": run.totals.settled_gco2eq,
        "unknown_wh": run.totals.unknown_wh,
        "apart_gco2eq": run.totals.apart_gco2eq,
        "unreported": run.totals.unreported,
        "delay_s": (last.ended - last.baseline_ended).total_seconds() if last else 0.0,
        "started": run.grid_started_at.timestamp(),
        "ended": run.grid_ended_at.timestamp() if run.grid_ended_at else None,
        "version": run.version,
        "best_version": run.best_version,
        "problems": problems(run),
    }


def problems(run: Run) -> list[dict[str, Any]]:
    """Return each client whose assignments brought no update, the most troubled first."""
    found = sorted(run.problems.items(), key=lambda item: (-item[1].times, item[0]))
    return [
        {
            "client": client,
            "status": problem.status,
            "round": problem.round,
            "times": problem.times,
            "sentence": _sentence(client, problem),
        }
        for client, problem in found[:_SHOWN]
    ]


_SHOWN = 50
"""So many clients with problems are listed; the ledger has all."""

_WHAT: Mapping[ProblemStatus, str] = {
    "declined": "declined",
    "failed": "failed",
    "refused": "sent an update that was refused",
    "given_up": "was given up",
    "undelivered": "was not reached",
}


def _sentence(client: str, problem: Problem) -> str:
    last = f"in round {problem.round}"
    often = f", the last of {problem.times} assignments without an update" * (problem.times > 1)
    return f"{client} {_WHAT[problem.status]} {last}{often}{because(problem.reason)}"
