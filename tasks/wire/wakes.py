"""Tasks that only wake: one that was woken just now need not be woken again.

They say nothing and are not signed. So that a flood of them costs nothing, each runs about as often
as beat would send it; what comes in between is owed, once, however many came.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


class Wakes:
    """When each was passed on last, and which are owed."""

    def __init__(
        self, every_s: Mapping[str, float], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with none passed on.

        Args:
            every_s: At most once in so many seconds a task of each name is passed on.
            now_s: Returns monotonic seconds.
        """
        self._every_s = every_s
        self._now_s = now_s
        self._passed_s: dict[str, float] = {}
        self._owed: set[str] = set()

    def passes(self, name: str) -> bool:
        """Return whether a task goes on now; if not, it is owed. Others than these always do."""
        if name not in self._every_s:
            return True
        now_s = self._now_s()
        if not self._is_due(name, now_s):
            self._owed.add(name)
            return False
        self._passed_s[name] = now_s
        self._owed.discard(name)
        return True

    def take_owed(self) -> list[str]:
        """Return the owed tasks that may go on by now; they are owed no more."""
        now_s = self._now_s()
        due = sorted(name for name in self._owed if self._is_due(name, now_s))
        self._owed.difference_update(due)
        return due

    def _is_due(self, name: str, now_s: float) -> bool:
        passed_s = self._passed_s.get(name)
        return passed_s is None or now_s - passed_s >= self._every_s[name]
