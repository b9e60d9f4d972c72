"""Milestones: what each of two runs had spent when its metric first reached a level."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from scheduler.status.comparison import Comparison, Point, Trajectory

_STEPS = 8


@dataclass(frozen=True, slots=True)
class Milestone:
    """A level of the metric, and where each run first was as good; `None` if it never was."""

    level: float
    first: Point | None
    second: Point | None


def milestones(found: Comparison, *, steps: int = _STEPS) -> list[Milestone]:
    """Return levels from the worst start to the best score, at most so many and one more.

    They are evenly spaced, but that the best level of both runs is among them, and that of levels
    reached by the same two versions only the best is left.
    """
    runs = (found.first, found.second)
    values = [point.value for run in runs for point in run.points]
    if not values:
        return []
    lower = found.lower_is_better
    starts = [run.points[0].value for run in runs if run.points]
    start, best = (max(starts), min(values)) if lower else (min(starts), max(values))
    # The ends are exact: else the run that is the best would seem not to reach its own best.
    levels = {start + (best - start) * n / (steps - 1) for n in range(1, steps - 1)} | {start, best}
    if found.level is not None:
        levels.add(found.level)
    found_at = [
        Milestone(level, *(_reached(run, level, lower=lower) for run in runs))
        for level in sorted(levels, reverse=lower)
    ]
    return [
        each
        for each, after in pairwise([*found_at, None])
        if each is not None
        and (after is None or (each.first, each.second) != (after.first, after.second))
    ]


def _reached(run: Trajectory, level: float, *, lower: bool) -> Point | None:
    found = (p for p in run.points if (p.value <= level if lower else p.value >= level))
    return next(found, None)
