"""What training cost in Wh, where no meter can be read."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Self

from common.messages import Energy

_SECONDS_PER_HOUR = 3600.0


class CpuMeter:
    """Measures the CPU seconds spent inside a ``with`` block and models their energy.

    energy_wh = CPU seconds * W per core * PUE / 3600. Covered are all threads of this process and
    those of its children that ended inside. Idle machines, memory and accelerators are not in it.

    Attributes:
        energy: What the block used; set when it ends, by an exception too. `None` before.
    """

    def __init__(self, watts_per_core: float, pue: float) -> None:
        """Prepare a meter.

        Args:
            watts_per_core: W that one busy core adds at the wall, positive.
            pue: Power usage effectiveness of the site, at least 1.
        """
        self.energy: Energy | None = None
        self._watts_per_core = watts_per_core
        self._pue = pue
        self._started_s = 0.0

    def __enter__(self) -> Self:
        """Start to measure."""
        self.energy = None
        self._started_s = _cpu_seconds()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and set `energy`."""
        spent_s = max(0.0, _cpu_seconds() - self._started_s)
        self.energy = Energy(
            energy_wh=spent_s * self._watts_per_core * self._pue / _SECONDS_PER_HOUR,
            method="cpu-seconds",
            quality="modelled",
            pue=self._pue,
        )


def _cpu_seconds() -> float:
    # os.times alone ticks in hundredths of a second, longer than a small round takes
    children = os.times()
    return time.process_time() + children.children_user + children.children_system
