"""The grid of a run: the readings of its time, kept for good once the run is over."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from pydantic import TypeAdapter

from scheduler.federation.federation import Federation, Run
from scheduler.federation.zone_readings import Point, ZoneReadings

KEPT_POINTS = 24 * 14
"""Of each zone the last two weeks of hours in a run are kept, as many as a chart shows."""


def keep_grid(state: Federation, run: Run) -> None:
    """Put the readings of a run that ends into the archive: zone readings go back five weeks."""
    page = [(zone, points_during(series, run)) for zone, series in sorted(state.grid.items())]
    run.grid_page = state.archive.put_page(_kind(), page)


def grid_of(state: Federation, run: Run) -> dict[str, list[Point]]:
    """Return each zone's readings in the time of a run, as far as they are kept.

    While the zone readings reach back to its start they are complete, also with what was found out
    after its end.
    """
    kept = dict(state.archive.page(_kind(), run.grid_page)) if run.grid_page else {}
    return kept | {
        zone: points_during(series, run)
        for zone, series in state.grid.items()
        if zone not in kept or not _has_forgotten(series, run.grid_started_at)
    }


def points_during(series: ZoneReadings, run: Run) -> list[Point]:
    """Return the last points in the time of a run, and the one that held when the first began."""
    end = run.grid_ended_at
    shown = list(series.points()) if end else series.newest(KEPT_POINTS + 1)
    before = [point for point in shown if point[0] < run.grid_started_at][-1:]
    during = [p for p in shown if p[0] >= run.grid_started_at and (not end or p[0] <= end)]
    return [*before, *during[-KEPT_POINTS:]][-KEPT_POINTS - 1 :]


def _has_forgotten(series: ZoneReadings, since: datetime) -> bool:
    return series.kept_from is not None and series.kept_from > since


@cache
def _kind() -> TypeAdapter[list[tuple[str, list[Point]]]]:
    return TypeAdapter(list[tuple[str, list[Point]]])
