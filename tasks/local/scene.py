"""The scenes of the demonstration: which sites, in which grids, and how fast time passes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from common.errors import SettingError
from common.settings.names import PREFIX


@dataclass(frozen=True)
class Scene:
    """Where the demonstration plays.

    Attributes:
        zones: The zone of each site.
        signal_text: What the intensities are, printed before the first round.
        grid_start: What the grid clock shows at first; `None` if it is the wall clock.
        grid_speed: Grid seconds per wall second.
        settings: Environment variables for all processes.
        run: Options of the run, besides workload and rounds.
    """

    zones: Mapping[str, str]
    signal_text: str
    grid_start: datetime | None = None
    grid_speed: float = 1.0
    settings: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def clock_text(self) -> str:
        """A line about clock and signal."""
        if self.grid_start is None:
            return f"this is now: {self.signal_text}"
        return f"an hour on the grid passes in {3600 / self.grid_speed:g} s; {self.signal_text}"

    def fast(self) -> Scene:
        """Return the same scene at twice the speed, where its clock is not that of the wall."""
        return self if self.grid_start is None else replace(self, grid_speed=2 * self.grid_speed)


SIX_GRIDS = Scene(
    zones={
        "toronto": "CA-ON",
        "madrid": "ES",
        "berlin": "DE",
        "athens": "GR",
        "oakland": "US-CAL-CISO",
        "sydney": "AU-NSW",
    },
    # A Sunday in July, when the sun makes some of these grids clean at noon and none at night.
    grid_start=datetime(2026, 7, 12, 6, 0, tzinfo=UTC),
    grid_speed=3000.0,
    signal_text="intensities are modelled on 2022 (typical_day)",
    run={"cron": "0 * * * *", "quorum": 4},
)

GREAT_BRITAIN = Scene(
    zones={
        "inverness": "GB-NORTH-SCOTLAND",
        "glasgow": "GB-SOUTH-SCOTLAND",
        "newcastle": "GB-NORTH-EAST-ENGLAND",
        "manchester": "GB-NORTH-WEST-ENGLAND",
        "cardiff": "GB-SOUTH-WALES",
        "london": "GB-LONDON",
    },
    signal_text="live figures of the NESO Carbon Intensity API (CC BY 4.0); direct emissions",
    settings={f"{PREFIX}SIGNAL": "neso"},
    run={"quorum": 1},
)

_SCENES = {"typical_day": SIX_GRIDS, "neso": GREAT_BRITAIN}

_PASSED_ON = ("NESO_URL", "THRESHOLD_GCO2EQ_PER_KWH")


def chosen_scene() -> Scene:
    """Return the scene for the signal that the environment names; the six grids if none.

    Raises:
        SettingError: If there is no scene for it.
    """
    name = os.environ.get(f"{PREFIX}SIGNAL", "typical_day")
    if name not in _SCENES:
        msg = (
            f"The demonstration has no sites for FAIRWIND_SIGNAL={name}, so it was not started. "
            f"Choose of {' and '.join(_SCENES)}, or leave it unset."
        )
        raise SettingError(msg)
    return _SCENES[name]


def passed_on() -> dict[str, str]:
    """Return the settings of the calling process that reach the demonstration."""
    names = [PREFIX + name for name in _PASSED_ON]
    return {name: os.environ[name] for name in names if name in os.environ}
