"""The scenes of the demonstration: which sites, in which grids, and how fast time passes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from common.errors import SettingError
from common.settings.names import PREFIX


@dataclass(frozen=True)
class Scene:
    """Where the demonstration plays.

    Attributes:
        zones: The zone of each site.
        clock_text: A line about clock and signal, printed before the first round.
        grid_start: What the grid clock shows at first; `None` if it is the wall clock.
        grid_speed: Grid seconds per wall second.
        settings: Environment variables for all processes.
        run: Options of the run, besides workload and rounds.
    """

    zones: Mapping[str, str]
    clock_text: str
    grid_start: datetime | None = None
    grid_speed: float = 1.0
    settings: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)


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
    grid_speed=6000.0,
    clock_text=(
        "an hour on the grid passes in 0.6 s here; intensities are modelled on 2022 (typical_day)"
    ),
    run={"cron": "0 */2 * * *", "cohort": 4, "quorum": 4},
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
    clock_text=(
        "this is now: live figures of the NESO Carbon Intensity API (CC BY 4.0); direct emissions"
    ),
    settings={f"{PREFIX}SIGNAL": "neso"},
    run={"cohort": 4, "quorum": 1},
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
