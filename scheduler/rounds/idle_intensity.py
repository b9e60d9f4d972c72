"""The carbon intensity of the hours in which reserved hardware waited."""

from __future__ import annotations

from datetime import timedelta

from common.clock import Clock
from common.messages import Energy
from scheduler.carbon.grid import Grid
from scheduler.carbon.mean import Mean
from scheduler.carbon.week import WEEK
from scheduler.rounds.work_time import WorkTime


def idle_intensity(
    grid: Grid, clock: Clock, zone: str, energy: Energy | None, done: WorkTime
) -> Mean | None:
    """Return the mean intensity of the hours in which reserved hardware waited for its work.

    Of a wait of more than seven days, of the last seven. Waiting for a clean hour happens in
    dirtier ones, so the work's own intensity would make it look too cheap.

    Args:
        grid: Knows the intensities until now.
        clock: Both clocks of the coordinator.
        zone: The client's.
        energy: What the site reports; `None` where it reports nothing that can be true.
        done: When the work was done.

    Returns:
        `None` if it did not wait, its watts are not stated, or the hours' intensity is unknown or
        of another family.
    """
    if energy is None or not energy.idle_wh or not energy.idle_s:
        return None
    try:
        since = clock.grid_at(done.started_at - timedelta(seconds=energy.idle_s))
    except OverflowError:  # a fast grid clock, and a site that says it waited for a year
        return None
    since = max(min(since, done.grid_started_at), done.grid_started_at - WEEK)
    mean = grid.mean(zone, since, done.grid_started_at)
    return mean if mean is not None and mean.family == grid.family else None
