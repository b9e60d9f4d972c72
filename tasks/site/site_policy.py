"""The site policy: when a site declines work, whatever the coordinator assigns. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from common.errors import SettingError
from common.messages import Assignment, Reason
from common.settings import Settings
from common.units import show_bytes

MB = 1_000_000

_MINUTES = 24 * 60


@dataclass(frozen=True)
class SiteState:
    """What a site knows of itself when it judges an assignment.

    Attributes:
        paused_since: When its administrator paused it; `None` if it is not paused.
        sent_nbytes: What it has sent on this UTC day.
        update_nbytes: What an update of the assigned workload is expected to have.
        clock_ahead_s: How far its clock is ahead of Redis's, s; 0 if it is right.
    """

    paused_since: datetime | None = None
    sent_nbytes: int = 0
    update_nbytes: int = 0
    clock_ahead_s: float = 0.0


def declined(
    settings: Settings, assignment: Assignment, now: datetime, *, site: SiteState | None = None
) -> Reason | None:
    """Return why this site declines the work; `None` if it accepts it.

    Args:
        settings: The site's own; the clock against which it checks its hours is theirs.
        assignment: What it is to do.
        now: On the wall clock.
        site: What the site knows of itself; nothing of note if left out.
    """
    site = site or SiteState()
    if site.paused_since is not None:
        text = f"paused by its administrator since {site.paused_since:%Y-%m-%d %H:%M} UTC"
        return Reason(code="paused", text=text)
    # Until when the assignment is valid was said by another clock than this site's.
    there = now - timedelta(seconds=site.clock_ahead_s)
    grid_at, until = assignment.clock.at(there), assignment.valid_until
    if grid_at > until:
        text = f"too late: valid until {until:%Y-%m-%d %H:%M} UTC on the grid clock, and it is "
        return Reason(code="too_late", text=text + _time_of(grid_at, beside=until))
    ceiling, intensity = settings.site_ceiling_gco2eq_per_kwh, assignment.intensity_gco2eq_per_kwh
    if ceiling is not None and (intensity is None or intensity > ceiling):
        shown = "unknown" if intensity is None else f"at {intensity:.0f} gCO2eq/kWh"
        text = f"above its own ceiling of {ceiling:.0f} gCO2eq/kWh: its grid is {shown}"
        return Reason(code="above_site_ceiling", text=text)
    here = settings.clock.at(now)
    if settings.site_windows and not within(settings.site_windows, here):
        hours = ", ".join(settings.site_windows)
        return Reason(
            code="outside_site_windows", text=f"outside its hours {hours} UTC; it is {here:%H:%M}",
            not_before=next_opening(settings.site_windows, here),
        )  # fmt: skip
    return None if assignment.evaluates else over_daily(settings, now, site)


def over_daily(settings: Settings, now: datetime, site: SiteState) -> Reason | None:
    """Return why an update may not be sent today; `None` if it may."""
    limit = settings.site_max_mb_per_day
    if limit is None or site.sent_nbytes + site.update_nbytes <= limit * MB:
        return None
    tomorrow = datetime.combine(now.astimezone(UTC) + timedelta(days=1), time(), UTC)
    text = (
        f"over its limit of {limit:g} MB a day: {show_bytes(site.sent_nbytes)} were sent today, "
        f"and the update has about {show_bytes(site.update_nbytes)}"
    )
    return Reason(code="over_daily_mb", text=text, not_before=settings.clock.at(tomorrow))


def check_windows(windows: Sequence[str]) -> None:
    """Refuse windows that cannot be parsed.

    Raises:
        SettingError: If a window is not like 22:00-06:00.
    """
    for window in windows:
        _bounds(window)


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


def _time_of(at: datetime, *, beside: datetime) -> str:
    """Return a time of day, with its date if that is another than the one beside it."""
    return f"{at:%H:%M}" if at.date() == beside.date() else f"{at:%Y-%m-%d %H:%M}"


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
    last = int(found[3]) * 60 + int(found[4]) if found[3] else _MINUTES
    return first, last
