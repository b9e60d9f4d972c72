"""A client: who is enrolled, where, alive or silent, and what experience says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduler.gate import Gate
    from scheduler.round import Accepted

_SMOOTHING = 0.3
"""Weight of the newest observation in the moving averages."""


@dataclass(slots=True)
class Client:
    """One participant with data.

    Attributes:
        num_examples: At most this many examples count; `None` if it enrolled without a limit.
        waiting_since: On the grid clock: when its gate closed or it last trained, if later.
        energy_per_update_wh, latency_s, utility: Moving averages over its accepted updates;
            `None` before the first. Latency runs from issue to acceptance, in wall seconds.
        energy_wh, gco2eq: Everything known to have been used for us, counted or not.
    """

    id: str
    zone: str
    num_examples: int | None = None
    retired: bool = False
    incarnation: str | None = None
    host: str | None = None
    alive: bool = False
    gate: Gate | None = None
    waiting_since: datetime | None = None
    updates: int = 0
    energy_per_update_wh: float | None = None
    latency_s: float | None = None
    utility: float | None = None
    energy_wh: float = 0.0
    gco2eq: float = 0.0

    def learn(self, accepted: Accepted, grid_at: datetime) -> None:
        """Take one accepted update into the averages."""
        self.updates += 1
        self.waiting_since = grid_at
        self.energy_wh += accepted.energy_wh or 0.0
        self.gco2eq += accepted.gco2eq or 0.0
        self.energy_per_update_wh = _smooth(self.energy_per_update_wh, accepted.energy_wh)
        self.latency_s = _smooth(self.latency_s, accepted.latency_s)
        self.utility = _smooth(self.utility, accepted.utility)


def _smooth(average: float | None, value: float | None) -> float | None:
    if value is None or average is None:
        return average if value is None else value
    return average + _SMOOTHING * (value - average)
