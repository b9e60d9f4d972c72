"""What each level of the metric cost either run."""

from __future__ import annotations

from scheduler.status.comparison import Comparison, Point, Trajectory
from scheduler.status.milestones import milestones


def trajectory(run: str, *values: float) -> Trajectory:
    points = tuple(Point(n, n * 10.0, n * 2.0, value) for n, value in enumerate(values, 1))
    return Trajectory(run, points, None, 0.0)


def comparison(
    first: tuple[float, ...], second: tuple[float, ...], *, metric: str = "accuracy",
    level: float | None,
) -> Comparison:  # fmt: skip
    runs = trajectory("first", *first), trajectory("second", *second)
    lower = metric == "loss"
    return Comparison(metric, lower, level, *runs, (), same_workload=True)


def rows(found: Comparison, steps: int = 5) -> list[tuple[float, int | None, int | None]]:
    """Return each level with the round in which either run first reached it."""
    return [
        (
            each.level,
            each.first.round if each.first else None,
            each.second.round if each.second else None,
        )
        for each in milestones(found, steps=steps)
    ]


def test_levels_go_from_the_worst_start_to_the_best_score():
    found = comparison((0.25, 0.5, 0.375, 1.0), (0.5, 0.75), level=0.75)
    assert rows(found, 4) == [(0.25, 1, 1), (0.5, 2, 1), (0.75, 4, 2), (1.0, 4, None)]


def test_of_a_loss_the_smaller_is_the_better():
    found = comparison((2.0, 1.0), (1.5, 0.5), metric="loss", level=1.0)
    assert rows(found, 4) == [(2.0, 1, 1), (1.5, 2, 1), (1.0, 2, 2), (0.5, None, 2)]


def test_levels_that_the_same_versions_reached_are_one_row():
    assert rows(comparison((0.1, 0.9), (0.9,), level=0.9)) == [(0.1, 1, 1), (0.9, 2, 1)]


def test_a_run_without_a_score_reaches_nothing():
    assert rows(comparison((0.5,), (), level=None)) == [(0.5, 1, None)]
    assert rows(comparison((), (), level=None)) == []
