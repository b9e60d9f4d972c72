"""Absence: for how long the coordinator did not look, so that no site is blamed for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class Absence:
    """Notices that the coordinator was away: it did not look around for longer than it should.

    It was stopped, killed, or busy with something long. Answers that came meanwhile wait in a
    queue, and sites whose answer was lost have to send it again. All times are on its wall clock.

    Args:
        after: It was away if it did not look for longer; zero for a world in which it never is.
    """

    def __init__(self, after: timedelta) -> None:
        self._after = after
        self._looked: datetime | None = None
        self._left = self._back = _BEFORE_ALL

    def look(self, now: datetime) -> None:
        """Note that it looks around now."""
        if self._after and (self._looked is None or now - self._looked > self._after):
            self._left, self._back = self._looked or _BEFORE_ALL, now
        self._looked = now

    def was_after(self, at: datetime) -> bool:
        """Return whether it was away at some time after `at`."""
        return at < self._back

    def judged_at(self, deadline: datetime, now: datetime, *, unread: bool) -> datetime:
        """Return at which time a deadline is judged.

        That is now. But a deadline that passed while it was away, or that passes while answers wait
        to be received, is judged as if it were still to come, for as long as an absence takes to be
        noticed.

        Args:
            deadline: The deadline.
            now: The time now.
            unread: Whether answers wait.
        """
        before = min(now, deadline - datetime.resolution)
        just_back = self._back <= now < self._back + self._after
        if just_back and self._left < deadline <= self._back:
            return before
        return before if unread and now < deadline + self._after else now
