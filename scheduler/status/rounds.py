"""The rounds of a run as rows, oldest first, each with what the run had emitted until then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Run
from scheduler.federation.round import Round
from scheduler.status.scores import reported

SHOWN_ROUNDS = 500
"""A run's last rounds that a terminal lists; the Rounds page and `fairwind report` have all."""


def last_rounds(run: Run) -> list[dict[str, Any]]:
    """Return the last rounds of a run, the one under way included."""
    rows = []
    shown = run.closed[-SHOWN_ROUNDS:]
    emitted, baseline = _before(run, shown)
    for closed in shown:
        emitted += closed.gco2eq
        baseline = plus(baseline, closed.baseline_gco2eq)
        row = _round(closed, run.spec.metric, emitted, baseline)
        rows.append(row | ({"staleness": closed.staleness} if run.spec.carries else {}))
    if (now := run.round_under_way) is not None and not now.evaluates:
        rows.append(_open(now))
    return rows


def _before(run: Run, shown: Sequence[ClosedRound]) -> tuple[float, float | None]:
    """Return what the rounds before the shown ones emitted, and their baseline."""
    if len(run.closed) == len(shown):
        return 0.0, 0.0
    sums, baselines = run.closed.sums, [closed.baseline_gco2eq for closed in shown]
    known = [value for value in baselines if value is not None]
    emitted = sums.gco2eq - sum(closed.gco2eq for closed in shown)
    if sums.baseline_gco2eq is None or len(known) < len(baselines):
        return emitted, None
    return emitted, sums.baseline_gco2eq - sum(known)


def _round(
    closed: ClosedRound, metric: str, emitted: float, baseline: float | None
) -> dict[str, Any]:
    return {
        "round": closed.number,
        "started": closed.started.timestamp(),
        "ended": closed.ended.timestamp(),
        "value": (closed.metrics or {}).get(metric),
        "reported": reported(closed.evaluation, metric),
        "metrics": closed.metrics or {},
        "gco2eq": closed.gco2eq,
        "baseline_gco2eq": closed.baseline_gco2eq,
        "cumulative_gco2eq": emitted,
        "cumulative_baseline_gco2eq": baseline,
        "energy_wh": closed.energy_wh,
        "cohort": list(closed.cohort),
        "version": closed.version,
        "wall_s": closed.wall_seconds,
        "phases": closed.phases,
    }


def _open(open_round: Round) -> dict[str, Any]:
    """Return the round under way: its end and its figures are not known yet."""
    unknown = dict.fromkeys(
        ("ended", "value", "reported", "gco2eq", "baseline_gco2eq", "cumulative_gco2eq",
         "cumulative_baseline_gco2eq", "energy_wh", "version", "wall_s")
    )  # fmt: skip
    return {
        "round": open_round.number,
        "started": open_round.grid_planned_at.timestamp(),
        "cohort": sorted(open_round.cohort),
        "metrics": {},
        "phases": {},
        **unknown,
    }


def plus(total: float | None, value: float | None) -> float | None:
    """Return the sum; it is unknown where either part is."""
    return None if total is None or value is None else total + value
