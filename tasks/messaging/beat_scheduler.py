"""Beat's scheduler: by a clock that nobody sets, with a sign of life, and no task twice in a queue.

Celery's own asks the wall clock and keeps a file of when each task was last sent: a clock that is
set back would let it sleep for as long, and so would a file from the future. It would also queue a
tick every few seconds for as long as the coordinator is away.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import redis
from celery.beat import Scheduler

from common import settings
from common.errors import BrokerError, FairwindError, FederationError
from common.log import get_logger
from tasks.app import refuse
from tasks.messaging.broker import broker_error, check_usable, connect
from tasks.messaging.drivers import BEAT_SIGN
from tasks.messaging.inbox import coordinator_signer
from tasks.messaging.sole_sign import SoleSign

_FULL = 100
"""So many waiting messages are looked at; behind so many, none of beat's is missed."""

_FIRST_WITHIN_S = 600.0
"""What is due seldom is due so soon after a start, so that restarts do not put it off for ever."""

_log = get_logger(__name__)


class Timetable:
    """When each task is due, in the seconds of a monotonic clock."""

    def __init__(self, every_s: Mapping[str, float], clock: Callable[[], float]) -> None:
        self._every_s = every_s
        self._clock = clock
        now = clock()
        self._due = {name: now + min(s, _FIRST_WITHIN_S) for name, s in every_s.items()}

    def take_due(self) -> list[str]:
        """Return what is due now; each is due again one period from now."""
        now = self._clock()
        due = [name for name, at in self._due.items() if at <= now]
        self._due |= {name: now + self._every_s[name] for name in due}
        return due

    def left_s(self) -> float:
        """Return in how many seconds something is due next."""
        return max(0.0, min(self._due.values()) - self._clock())


class BeatScheduler(Scheduler):
    """Sends what is due, unless the same still waits in its queue."""

    def __init__(
        self, *args: Any, clock: Callable[[], float] = time.monotonic, **kwargs: Any
    ) -> None:
        ours = settings.load()
        self._look_every_s = ours.heartbeat_s
        self._broker = connect(ours)
        try:
            check_usable(self._broker)
        except BrokerError as error:
            refuse(error)
        try:
            signer = coordinator_signer(ours)
            self._sign = SoleSign(self._broker, BEAT_SIGN, ours, signer=signer, now_s=clock)
            self._sign.claim()
        except FairwindError as error:
            refuse(error)
        except redis.RedisError as error:
            refuse(broker_error(error))
        super().__init__(*args, **kwargs)
        every_s = {name: _every_s(entry) for name, entry in self.schedule.items()}
        self._timetable = Timetable(every_s, clock)

    def tick(self, *_: Any, **__: Any) -> float:
        """Send what is due, and return after how many seconds to look again."""
        try:
            self._sign.renew()
        except FederationError as error:
            _end(error)
        for name in self._timetable.take_due():
            self.apply_entry(self.schedule[name], producer=self.producer)
        return min(self._timetable.left_s(), self._look_every_s)

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


def _end(error: FederationError) -> NoReturn:
    """End beat with one line. Celery would take a `SystemExit` from a tick for a good end."""
    sys.stderr.write(f"fairwind: {error}\n")
    sys.stderr.flush()
    os._exit(2)


def _every_s(entry: Any) -> float:
    """Return the period of an entry of the schedule, in s; ours have no other kind."""
    return float(entry.schedule.run_every.total_seconds())


def _task_of(message: bytes | str) -> str | None:
    """Return the name of the task in a message as kombu writes it; `None` if it has none."""
    try:
        name = json.loads(message)["headers"]["task"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(name)
