"""Two clocks: the wall clock for liveness and deadlines, the grid clock for carbon."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wall_now() -> datetime:
    """Return the time on the wall clock, aware and in UTC."""
    return datetime.now(UTC)


class GridClock(BaseModel):
    """A clock for the electricity grid: the wall clock, shifted and sped up.

    With the defaults both clocks agree. A demonstration lets an hour of grid time pass in a second.
    It travels inside assignments, so a site needs no setting for it.

    Attributes:
        wall_start: An instant on the wall clock.
        grid_start: What the grid clock shows at that instant.
        speed: Grid seconds per wall second, positive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    wall_start: AwareDatetime = _EPOCH
    grid_start: AwareDatetime = _EPOCH
    speed: float = Field(default=1.0, gt=0)

    def at(self, wall: datetime) -> datetime:
        """Return what the grid clock shows when the wall clock shows `wall`, in UTC.

        Raises:
            ValueError: If `wall` is naive.
        """
        if wall.tzinfo is None:
            msg = "a naive time has no place on a clock: give it a time zone, e.g. UTC"
            raise ValueError(msg)
        # In UTC from the start: within one time zone, Python's differences skip summer time.
        passed = wall.astimezone(UTC) - self.wall_start.astimezone(UTC)
        return self.grid_start.astimezone(UTC) + passed * self.speed

    def now(self) -> datetime:
        """Return what the grid clock shows now."""
        return self.at(wall_now())

    def wall_at(self, grid: datetime) -> datetime:
        """Return what the wall clock shows when the grid clock shows `grid`, in UTC."""
        passed = grid.astimezone(UTC) - self.grid_start.astimezone(UTC)
        return self.wall_start.astimezone(UTC) + passed / self.speed

    def wall_seconds(self, grid: timedelta) -> float:
        """Return how many wall seconds a span of grid time takes."""
        return grid.total_seconds() / self.speed


class Clock(Protocol):
    """Both clocks as the engine reads them: those of the machine, or virtual ones."""

    def wall(self) -> datetime:
        """Return the time on the wall clock."""

    def grid(self) -> datetime:
        """Return the time on the grid clock."""

    def grid_at(self, wall: datetime) -> datetime:
        """Return what the grid clock shows when the wall clock shows `wall`."""


@dataclass(frozen=True)
class SystemClock:
    """The clocks of this machine."""

    grid_clock: GridClock

    def wall(self) -> datetime:
        """Return the time on the wall clock."""
        return wall_now()

    def grid(self) -> datetime:
        """Return the time on the grid clock."""
        return self.grid_clock.now()

    def grid_at(self, wall: datetime) -> datetime:
        """Return what the grid clock shows when the wall clock shows `wall`."""
        return self.grid_clock.at(wall)


@dataclass
class VirtualClock:
    """Clocks that stand still until a simulation or a forecast moves them.

    Attributes:
        now: What the grid clock shows.
        grid_clock: How the wall clock follows from it; with the default both agree.
    """

    now: datetime
    grid_clock: GridClock = field(default_factory=GridClock)

    def wall(self) -> datetime:
        """Return the time on the wall clock."""
        return self.grid_clock.wall_at(self.now)

    def grid(self) -> datetime:
        """Return the time on the grid clock."""
        return self.now

    def grid_at(self, wall: datetime) -> datetime:
        """Return what the grid clock shows when the wall clock shows `wall`."""
        return self.grid_clock.at(wall)
