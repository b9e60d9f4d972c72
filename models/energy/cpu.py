"""The energy of processors where no meter can be read: CPU seconds times W per busy core."""

from __future__ import annotations

from common.messages import EnergyPart
from models.energy.energy_source import SECONDS_PER_HOUR, Span


class Cpu:
    """Models the energy of a task's CPU seconds. Needs nothing, so it never fails."""

    name = "cpu"

    def __init__(self, watts_per_core: float) -> None:
        """Remember the model.

        Args:
            watts_per_core: W that one busy core adds, positive.
        """
        self._watts_per_core = watts_per_core

    def start(self) -> None:
        """Do nothing: the span is all it needs."""

    def stop(self, span: Span) -> tuple[EnergyPart, ...]:
        """Return energy_wh = CPU seconds * W per core / 3600."""
        energy_wh = span.cpu_s * self._watts_per_core / SECONDS_PER_HOUR
        return (
            EnergyPart(device="cpu", energy_wh=energy_wh, method="cpu-seconds", quality="modelled"),
        )
