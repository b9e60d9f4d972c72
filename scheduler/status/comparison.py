"""A comparison of two runs: how their specs differ, and what each level of the metric cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scheduler.federation.run import Run
from scheduler.ledger.run_spec import RunSpec

SHOWN_POINTS = 400
"""A curve that is shown has no more points than this; as many as a chart has pixels for."""


@dataclass(frozen=True, slots=True)
class Point:
    """A version with a score, and what had been spent by then, since the run's start.

    Attributes:
        round: The round that made the version.
        gco2eq: Emissions of the updates that count, as booked, gCO2eq.
        hours: On the grid clock.
        value: The metric.
    """

    round: int
    gco2eq: float
    hours: float
    value: float


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The course of one run's metric.

    Attributes:
        run: Its id.
        points: In order of rounds; versions of which not everybody reported this metric are left
            out.
        at_level: The first point at which it is as good as the level that both runs reached.
        unknown_wh: Energy of the run whose emissions are unknown, so that they are in no point, Wh.
    """

    run: str
    points: tuple[Point, ...]
    at_level: Point | None
    unknown_wh: float


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry of a run file that the two specs have different values of; `None`: not set."""

    name: str
    first: str | float | None
    second: str | float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        metric: What both runs are measured by; `None` if they have no metric in common.
        lower_is_better: Whether less of it is better.
        level: The best value that both runs reached; `None` if either has no score.
        first, second: Their trajectories.
        differences: Of their specs, in the order of a run file.
        same_workload: Whether both train the same workload; if not, scores say little.
    """

    metric: str | None
    lower_is_better: bool
    level: float | None
    first: Trajectory
    second: Trajectory
    differences: tuple[Difference, ...]
    same_workload: bool

    def to_dict(self, *, most_points: int | None = None) -> dict[str, Any]:
        """Return it as JSON has it, with at most so many points a curve, ends included."""
        found = asdict(self)
        if most_points is not None:
            for name in ("first", "second"):
                found[name]["points"] = _thinned(found[name]["points"], most_points)
        return found


def compare(first: Run, second: Run) -> Comparison:
    """Compare two runs by the metric they have in common."""
    metric = _common_metric(first, second)
    lower = (first if metric == first.spec.metric else second).lower_is_better
    courses = [_points(run, metric) if metric else () for run in (first, second)]
    bests = [
        (min if lower else max)(point.value for point in points) for points in courses if points
    ]
    level = (max if lower else min)(bests) if len(bests) == len(courses) else None
    one, two = (
        Trajectory(run.id, points, _first_at(points, level, lower=lower), run.totals.unknown_wh)
        for run, points in zip((first, second), courses, strict=True)
    )
    differences = tuple(_differences(first.spec, second.spec))
    same = first.spec.workload == second.spec.workload
    return Comparison(metric, lower, level, one, two, differences, same)


def _common_metric(first: Run, second: Run) -> str | None:
    """Return the metric that both runs have scores of: the first run's own, or the second's."""
    names = (first.spec.metric, second.spec.metric)
    if names[0] == names[1]:
        return names[0]
    scored = [next((c.metrics for c in run.closed if c.metrics), {}) for run in (first, second)]
    return next((name for name in names if all(name in metrics for metrics in scored)), None)


def _points(run: Run, metric: str) -> tuple[Point, ...]:
    points, gco2eq = [], 0.0
    for closed in run.closed:
        gco2eq += closed.gco2eq
        value = closed.whole(metric)
        if value is not None:
            hours = (closed.ended - run.grid_started_at).total_seconds() / 3600
            points.append(Point(closed.number, gco2eq, hours, value))
    return tuple(points)


def _first_at(points: tuple[Point, ...], level: float | None, *, lower: bool) -> Point | None:
    if level is None:
        return None
    return next(p for p in points if (p.value <= level if lower else p.value >= level))


def _differences(first: RunSpec, second: RunSpec) -> Iterator[Difference]:
    entries = [
        dict(_entries(spec.model_dump(mode="json", exclude={"id"}))) for spec in (first, second)
    ]
    for name in dict.fromkeys([*entries[0], *entries[1]]):
        one, two = entries[0].get(name), entries[1].get(name)
        if one != two:
            yield Difference(name, one, two)


def _entries(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the entries of a spec under their paths in a run file, ``table.key``."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _entries(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _thinned(points: list[Any], most: int) -> list[Any]:
    if len(points) <= most:
        return points
    last = len(points) - 1
    return [points[round(n * last / (most - 1))] for n in range(most)]
