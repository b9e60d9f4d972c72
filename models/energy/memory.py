"""The energy of memory: W per GB times what the task's process holds."""

from __future__ import annotations

import psutil

from common.messages import EnergyPart
from models.energy.energy_source import SECONDS_PER_HOUR, Span

_BYTES_PER_GB = 1e9


class MemoryEnergy:
    """Models the energy of resident memory, as the mean of what is held at start and stop.

    Memory that children share with this process counts once; what they hold beyond it does not.
    """

    name = "memory"

    def __init__(self, watts_per_gb: float) -> None:
        """Remember the model.

        Args:
            watts_per_gb: W per GB held, positive.
        """
        self._watts_per_gb = watts_per_gb
        self._held_gb = 0.0

    def start(self) -> None:
        """See what is held."""
        self._held_gb = _resident_gb()

    def stop(self, span: Span) -> tuple[EnergyPart, ...]:
        """Return energy_wh = GB * W per GB * wall seconds / 3600."""
        held_gb = (self._held_gb + _resident_gb()) / 2
        energy_wh = held_gb * self._watts_per_gb * span.wall_s / SECONDS_PER_HOUR
        return (EnergyPart(device="memory", energy_wh=energy_wh, method="rss", quality="modelled"),)


def _resident_gb() -> float:
    return float(psutil.Process().memory_info().rss) / _BYTES_PER_GB
