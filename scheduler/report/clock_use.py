"""How the grid clock ran against the wall clock: faster in a demonstration, the same elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

_SAME_S = 60.0
"""Clocks that differ by less show the same time."""


@dataclass(slots=True)
class ClockUse:
    """Both clocks at a ledger's first and last event, and how far they ever were apart."""

    first_at: datetime | None = None
    first_grid_at: datetime | None = None
    last_at: datetime | None = None
    last_grid_at: datetime | None = None
    apart_s: float = 0.0

    def see(self, at: datetime, grid_at: datetime) -> None:
        """Take in the times of one event: on the wall clock and on the grid clock."""
        self.first_at, self.first_grid_at = self.first_at or at, self.first_grid_at or grid_at
        self.last_at, self.last_grid_at = at, grid_at
        self.apart_s = max(self.apart_s, abs((grid_at - at).total_seconds()))

    @property
    def demonstration(self) -> bool:
        """Whether the grid clock was not the real time."""
        return self.apart_s > _SAME_S

    @property
    def speed(self) -> float | None:
        """Grid seconds per wall second; `None` if no time went by."""
        if not (self.first_at and self.first_grid_at and self.last_at and self.last_grid_at):
            return None
        wall = self.last_at - self.first_at
        return (self.last_grid_at - self.first_grid_at) / wall if wall else None
