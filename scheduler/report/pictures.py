"""The plots of a report: emissions over time, and what the metric cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import accumulate

from scheduler.accounting.booking import Booking
from scheduler.report.canvas import Point
from scheduler.report.plot import Axis, Level, PlotLine, plot
from scheduler.report.report import Report
from scheduler.report.section import Section
from scheduler.report.show import Show, mass
from scheduler.report.trajectory import RunLine


def pictures_section(report: Report, show: Show) -> Section:
    """Return both plots; one that has nothing to show is left out."""
    plots = [timeline(report, show), *(accuracy(run, show) for run in report.runs)]
    shown = [picture for picture in plots if picture]
    return Section(
        "Over time, and what the metric cost",
        [] if shown else ["There is too little to draw: a line needs two points."],
        plots=shown,
    )


def timeline(report: Report, show: Show) -> str:
    """Return the emissions added up over time, with the baseline, a target and the budget."""
    start = Axis("time (grid clock, UTC)", _instant)
    grams = Axis(f"{show.gco2eq}, added up", from_zero=True)
    work = report.timeline()
    lines = [
        PlotLine("as booked", _added(work, lambda b: b.gco2eq, report.began, show), stepped=True),
        PlotLine(
            "settled, else as booked",
            _added(work, lambda b: b.settled_gco2eq, report.began, show),
            stepped=True,
        ),
        PlotLine(
            "run-now baseline of closed rounds, as booked", _baseline(report, show), stepped=True
        ),
    ]
    return plot("Emissions over time", lines, start, grams, levels=_levels(report, show))


def accuracy(run: RunLine, show: Show) -> str:
    """Return a run's metric against all it had emitted by then, round by round."""
    spent = accumulate(line.figures.settled_gco2eq for line in run.rounds)
    points = [
        (grams / show.size_g, line.value)
        for grams, line in zip(spent, run.rounds, strict=True)
        if line.value is not None
    ]
    title = f"{run.metric} against emissions, run {run.id}"
    x = Axis(f"{show.gco2eq} of all work up to the round, settled", from_zero=True)
    return plot(title, [PlotLine(f"{run.id}: {run.metric}", points)], x, Axis(run.metric))


def _levels(report: Report, show: Show) -> list[Level]:
    """Return the target, and the budget where the report is of one run."""
    target, runs = report.target_gco2eq, report.runs
    levels = [] if target is None else [Level(f"target {mass(target)}", target / show.size_g)]
    if len(runs) == 1 and (budget := runs[0].budget_gco2eq) is not None:
        levels.append(Level(f"budget {mass(budget)}", budget / show.size_g))
    return levels


def _added(
    work: Iterable[Booking], figure: Callable[[Booking], float | None], since: datetime, show: Show
) -> list[Point]:
    points = [(since.timestamp(), 0.0)]
    for booking in work:
        grams = figure(booking)
        if grams is not None and booking.ended_at is not None:
            points.append((booking.ended_at.timestamp(), points[-1][1] + grams / show.size_g))
    return points


def _baseline(report: Report, show: Show) -> list[Point]:
    closed = [
        (line.ended, line.booked.baseline_gco2eq)
        for run in report.runs
        for line in run.rounds
        if line.ended is not None
    ]
    points = [(report.began.timestamp(), 0.0)]
    for ended, grams in sorted(closed, key=lambda pair: pair[0]):
        if grams is None:
            return []
        points.append((ended.timestamp(), points[-1][1] + grams / show.size_g))
    return points


def _instant(value: float) -> str:
    return f"{datetime.fromtimestamp(value, UTC):%m-%d %H:%M}"
