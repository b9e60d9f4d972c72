"""The hours in which a site trains: windows of UTC time, such as 22:00-06:00. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from common.errors import SettingError

_MINUTES = 24 * 60

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)


def check_windows(windows: Sequence[str]) -> None:
    """Refuse windows that cannot be parsed.

    Raises:
        SettingError: If a window is not like 22:00-06:00.
    """
    for window in windows:
        _bounds(window)


def check_window(window: str) -> str:
    """Return a window that can be parsed.

    Raises:
        ValueError: If it is not like 22:00-06:00.
    """
    if _WINDOW.fullmatch(window) is None:
        msg = f"{window[:40]!r} is no window; write it as 22:00-06:00"
        raise ValueError(msg)
    return window


def within(windows: Sequence[str], at: datetime) -> bool:
    """Return whether a time is in one of the windows."""
    now = at.hour * 60 + at.minute
    return any(_holds(_bounds(window), now) for window in windows)


def next_opening(windows: Sequence[str], at: datetime) -> datetime:
    """Return when the next window opens after a time that is in none, on the same clock."""
    now = at.hour * 60 + at.minute
    minutes = min((_bounds(window)[0] - now) % _MINUTES for window in windows)
    return at.replace(second=0, microsecond=0) + timedelta(minutes=minutes)


def _holds(bounds: tuple[int, int], now: int) -> bool:
    first, last = bounds
    return first <= now < last if first < last else now >= first or now < last


def _bounds(window: str) -> tuple[int, int]:
    """Return begin and end of a window in minutes since midnight."""
    found = _WINDOW.fullmatch(window)
    if found is None:
        msg = (
            f"FAIRWIND_SITE_WINDOWS holds {window!r}, which is no window, so the site was not "
            "started. Write it as 22:00-06:00."
        )
        raise SettingError(msg)
    first = int(found[1]) * 60 + int(found[2])
    last = int(found[3]) * 60 + int(found[4]) if found[3] else _MINUTES
    return first, last
