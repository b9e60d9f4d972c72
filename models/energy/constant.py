"""The energy of a site whose power is known: a constant times the task's seconds."""

from __future__ import annotations

from common.messages import EnergyPart
from models.energy.energy_source import SECONDS_PER_HOUR, Span


class Constant:
    """Counts the same power for every second of a task, for the site as a whole."""

    name = "constant"

    def __init__(self, constant_w: float) -> None:
        """Remember the power.

        Args:
            constant_w: W of the whole site while it trains, before facility overhead; positive.
        """
        self._constant_w = constant_w

    def start(self) -> None:
        """Do nothing: the span is all it needs."""

    def stop(self, span: Span) -> tuple[EnergyPart, ...]:
        """Return energy_wh = W * wall seconds / 3600."""
        energy_wh = span.wall_s * self._constant_w / SECONDS_PER_HOUR
        return (
            EnergyPart(device="site", energy_wh=energy_wh, method="constant", quality="constant"),
        )
