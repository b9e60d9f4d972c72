"""The grid of a run: the carbon intensities of its time, kept for good once the run is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from pydantic import TypeAdapter

from scheduler.federation.federation import Federation, Run
from scheduler.federation.zone_readings import Point, ZoneReadings

KEPT_POINTS = 24 * 14
"""Of each zone the last two weeks of hours in a run are kept, as many as a chart shows."""


@dataclass(frozen=True, slots=True)
class GridSeries:
    """The carbon intensities of one zone in the time of a run.

    Attributes:
        times: Since when each value holds, epoch seconds on the grid clock.
        values: In gCO2eq/kWh; `None` where it is unknown.
        source, quality, family: Labels of the last that is known; `None` if none is.
    """

    times: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    source: str | None = None
    quality: str | None = None
    family: str | None = None

    @classmethod
    def of(cls, points: list[Point]) -> GridSeries:
        """Return what is kept of a zone's points."""
        last = next((reading for _, reading in reversed(points) if reading), None)
        return cls(
            [since.timestamp() for since, _ in points],
            [reading.gco2eq_per_kwh if reading else None for _, reading in points],
            last.source if last else None,
            last.quality if last else None,
            str(last.family) if last else None,
        )


def keep_grid(state: Federation, run: Run) -> None:
    """Put the grid of a run that is over into the archive: zone readings go back five weeks."""
    kept = _kept(state, run)
    for zone, series in state.grid.items():
        if zone not in kept or not _has_forgotten(series, run.grid_started_at):
            kept[zone] = GridSeries.of(_during(series, run))
    # The page before it is not dropped: runs of the same time may share it.
    run.grid_page = state.archive.put_page(_kind(), sorted(kept.items()))


def keep_grids_anew(state: Federation, since: datetime) -> None:
    """Take in what was found out of hours from `since` on after the end of runs."""
    for run in state.runs.values():
        if run.grid_ended_at is not None and run.grid_ended_at > since:
            keep_grid(state, run)


def grid_of(state: Federation, run: Run) -> dict[str, GridSeries]:
    """Return the carbon intensities of each zone in the time of a run."""
    if run.grid_page is not None:
        return _kept(state, run)
    return {zone: GridSeries.of(_during(series, run)) for zone, series in state.grid.items()}


def grid_now(state: Federation) -> dict[str, GridSeries]:
    """Return the carbon intensities of each zone in the last two weeks."""
    return {zone: GridSeries.of(s.newest(KEPT_POINTS + 1)) for zone, s in state.grid.items()}


def _kept(state: Federation, run: Run) -> dict[str, GridSeries]:
    return dict(state.archive.page(_kind(), run.grid_page)) if run.grid_page else {}


def _during(series: ZoneReadings, run: Run) -> list[Point]:
    """Return the last points in the time of a run, and the one that held when the first began."""
    end = run.grid_ended_at
    points = series.newest(KEPT_POINTS + 1)
    if end is not None and points and points[-1][0] > end:
        points = [point for point in series.points() if point[0] <= end]
    before = [point for point in points if point[0] < run.grid_started_at][-1:]
    during = [point for point in points if point[0] >= run.grid_started_at]
    return [*before, *during[-KEPT_POINTS:]][-KEPT_POINTS - 1 :]


def _has_forgotten(series: ZoneReadings, since: datetime) -> bool:
    return series.kept_from is not None and series.kept_from > since


@cache
def _kind() -> TypeAdapter[list[tuple[str, GridSeries]]]:
    return TypeAdapter(list[tuple[str, GridSeries]])
