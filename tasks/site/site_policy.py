"""The site policy: when a site declines work, whatever the coordinator assigns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from common.errors import SettingError
from common.messages import Assignment, Reason
from common.settings import Settings


def declined(settings: Settings, assignment: Assignment, grid_at: datetime) -> Reason | None:
    """Return why this site declines the work at `grid_at`, or `None` if it accepts it."""
    if grid_at > assignment.valid_until:
        text = (
            f"The assignment was valid until {assignment.valid_until:%Y-%m-%d %H:%M} and it is "
            f"{grid_at:%H:%M} UTC on the grid clock, so it was planned for an hour that has passed."
        )
        return Reason(code="too_late", text=text)
    ceiling, intensity = settings.site_ceiling_gco2eq_per_kwh, assignment.intensity_gco2eq_per_kwh
    if ceiling is not None and (intensity is None or intensity > ceiling):
        shown = "unknown" if intensity is None else f"{intensity:.0f} gCO2eq/kWh"
        text = f"This site trains at {ceiling:.0f} gCO2eq/kWh or below, and its grid is at {shown}."
        return Reason(code="above_site_ceiling", text=text)
    windows = settings.site_windows
    if windows and not any(_within(window, grid_at) for window in windows):
        text = f"This site trains within {', '.join(windows)} UTC, and it is {grid_at:%H:%M}."
        return Reason(code="outside_site_windows", text=text)
    return None


def check_windows(windows: Sequence[str]) -> None:
    """Refuse windows that cannot be parsed.

    Raises:
        SettingError: If a window is not like 22:00-06:00.
    """
    for window in windows:
        _bounds(window)


def _within(window: str, at: datetime) -> bool:
    first, last = _bounds(window)
    now = at.hour * 60 + at.minute
    return first <= now < last if first < last else now >= first or now < last


def _bounds(window: str) -> tuple[int, int]:
    """Return begin and end of a window in minutes since midnight."""
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", window)
    if found is None:
        msg = (
            f"FAIRWIND_SITE_WINDOWS holds {window!r}, which is no window, so the site was not "
            "started. Write it as 22:00-06:00."
        )
        raise SettingError(msg)
    first = int(found[1]) * 60 + int(found[2])
    last = int(found[3]) * 60 + int(found[4]) if found[3] else 24 * 60
    return first, last
