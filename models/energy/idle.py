"""The energy of reserved hardware that waits: the same sum at a site and in a simulation."""

from __future__ import annotations

from models.energy.energy_source import SECONDS_PER_HOUR


def idle_energy_wh(idle_w: float, idle_s: float, *, pue: float) -> float | None:
    """Return what reserved hardware uses while it waits, at the wall.

    Args:
        idle_w: Its power while it waits, W, before facility overhead; 0 where it is not stated.
        idle_s: How long it waits, s.
        pue: Energy at the wall over energy of the machine, at least 1.

    Returns:
        Wh, or `None` where the power is not stated.

    >>> idle_energy_wh(50.0, 72.0, pue=1.2)
    1.2
    """
    return idle_w * idle_s * pue / SECONDS_PER_HOUR if idle_w else None
