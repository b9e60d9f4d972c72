"""Names and times as a sentence has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

SHOWN_NAMES = 5
"""A sentence names at most this many clients; tables name all."""


def listed(names: Sequence[str], *, most: int | None = None) -> str:
    """Return names as a sentence lists them: commas, and an "and" before the last.

    Args:
        names: In the order in which they are to stand.
        most: Name at most this many, and count the others.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], most=2)
    ('a, b and c', 'a, b and 2 more')
    """
    if most is not None and len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    if len(names) < 2:  # noqa: PLR2004 - two names are joined by "and"
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def agree(count: int, one: str, many: str) -> str:
    """Return the word that agrees with a number."""
    return one if count == 1 else many


def show_time(at: datetime, now: datetime) -> str:
    """Return a time in UTC with as much of its date as is needed to find it from `now`.

    >>> noon = datetime(2026, 7, 8, 12, tzinfo=UTC)
    >>> [show_time(noon.replace(day=day), noon) for day in (8, 10, 28)]
    ['12:00 UTC', 'Fri 12:00 UTC', '2026-07-28 12:00 UTC']
    """
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    if at.date() == now.date():
        return f"{at:%H:%M} UTC"
    near = abs(at - now) < timedelta(days=6)
    return f"{at:%a %H:%M} UTC" if near else f"{at:%Y-%m-%d %H:%M} UTC"


def show_second(at: datetime, now: datetime) -> str:
    """Return a time in UTC to the second, with its date if that is another than that of `now`.

    >>> noon = datetime(2026, 7, 8, 12, tzinfo=UTC)
    >>> show_second(noon + timedelta(seconds=70), noon)
    '12:01:10 UTC'
    """
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S} UTC"
