"""The Retry-After header: how long a client should wait (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=7)
"""A longer pause is taken for a mistake of the provider, and ignored."""


def pause_asked(retry_after: str | None, date: str | None, now: datetime) -> timedelta | None:
    """Return the pause that a response requests; `None` without a valid one.

    Args:
        retry_after: Its Retry-After header: whole seconds, or an HTTP date.
        date: Its Date header. An HTTP date counts from there, because its clock may not be ours.
        now: What to count from where there is no Date header, aware.

    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> pause_asked("120", None, noon).total_seconds()
    120.0
    >>> pause_asked("Sun, 01 Mar 2026 12:01:00 GMT", None, noon).total_seconds()
    60.0
    >>> pause_asked("soon", None, noon)
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    try:
        if text.isascii() and text.isdigit():
            pause = timedelta(seconds=int(text[:12]))
        else:
            pause = _http_date(text) - (_http_date(date) if date else now)
    except (ValueError, OverflowError):
        return None
    return pause if timedelta(0) < pause <= LONGEST else None


def _http_date(text: str) -> datetime:
    time = parsedate_to_datetime(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
