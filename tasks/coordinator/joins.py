"""How often a worker is greeted: a site that says all the time that it starts fills no ledger."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

MOST = 12
"""A worker that starts more often within `WITHIN_S` is met by the next tick instead."""

WITHIN_S = 60.0


class Joins:
    """When each client's worker was greeted last, in this process."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin with nobody greeted; `now_s` returns monotonic seconds."""
        self._now_s = now_s
        self._greeted_s: dict[str, deque[float]] = {}

    def allows(self, client: str) -> bool:
        """Return whether a client's worker is greeted now, which is then remembered."""
        greeted_s, now_s = self._greeted_s.setdefault(client, deque(maxlen=MOST)), self._now_s()
        if len(greeted_s) == MOST and now_s - greeted_s[0] < WITHIN_S:
            return False
        greeted_s.append(now_s)
        return True
