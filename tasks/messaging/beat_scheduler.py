"""Beat's scheduler: leaves a sign of life, and sends no task of which one still waits.

Celery's own would queue a tick every few seconds for as long as the coordinator is away.
"""

from __future__ import annotations

import json
import time
from typing import Any

import redis
from celery.beat import PersistentScheduler

from common import settings
from common.log import get_logger
from tasks.messaging.broker import connect
from tasks.messaging.drivers import BEAT_SIGN, sign

_FULL = 100
"""So many waiting messages are looked at; behind so many, none of beat's is missed."""

_log = get_logger(__name__)


class BeatScheduler(PersistentScheduler):
    """Sends what is due, unless the same still waits in its queue."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ours = settings.load()
        self._sign_every_s = ours.heartbeat_s
        self._broker = connect(ours)
        self._signed_at = float("-inf")
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send one due task, and return after how many seconds to look again."""
        now = time.monotonic()
        if now - self._signed_at >= self._sign_every_s:
            sign(self._broker, [BEAT_SIGN])
            self._signed_at = now
        left_s: float = super().tick(*args, **kwargs)
        return min(left_s, self._sign_every_s)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send a due task, unless one of the same name waits where it would go."""
        if not self._waits(entry.task, entry.options["queue"]):
            super().apply_entry(entry, producer=producer)

    def _waits(self, task: str, queue: str) -> bool:
        """Return whether a task of that name is in the queue, or the queue is full of others."""
        try:
            waiting = self._broker.lrange(queue, 0, _FULL - 1)
        except redis.RedisError as error:
            _log.warning("queue.not_read", queue=queue, reason=str(error))
            return False
        return len(waiting) >= _FULL or any(_task_of(message) == task for message in waiting)


def _task_of(message: bytes | str) -> str | None:
    """Return the name of the task in a message as kombu writes it; `None` if it has none."""
    try:
        name = json.loads(message)["headers"]["task"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(name)
