"""What becomes of an assignment whose process died: the site takes it up again by itself."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from kombu.exceptions import OperationalError

from common.log import get_logger
from tasks.messaging.queues import send_again
from tasks.site.one_task import TRIES
from tasks.site.post import address_of, work_of

_log = get_logger(__name__)

_deaths: Counter[str] = Counter()

_back_on_queue: dict[str, float] = {}
"""Assignments that wait on the queue again, and until when (monotonic) heartbeats name them."""

_WAITS_AT_MOST_S = 10.0
"""Longer than a worker takes to receive it, and short enough for one that Redis lost meanwhile."""


def waiting_again() -> str | None:
    """Return the assignment that was put back on the queue just now, and is not received yet.

    Heartbeats name it: one that no queue holds and no heartbeat names would count as lost.
    """
    now = time.monotonic()
    return next((name for name, until in _back_on_queue.items() if now < until), None)


@signals.task_received.connect
def _received(request: Any, **_: Any) -> None:
    _back_on_queue.pop(work_of(request) or "", None)


@signals.task_failure.connect
def _take_up_again(sender: Any, exception: BaseException, args: Any, **_: Any) -> None:
    """Put the assignment back on its queue, from which the next process takes it.

    The site counts on disk how often an assignment was begun, and answers that it failed when
    these are too many.
    """
    if sender.name != "train" or not isinstance(exception, WorkerLostError | TimeLimitExceeded):
        return
    work = address_of(args[0])
    name = f"{work.run}/{work.round}"
    _deaths[name] += 1
    if _deaths[name] > TRIES:  # it died before it could count
        return
    try:
        _back_on_queue[name] = time.monotonic() + _WAITS_AT_MOST_S
        send_again("train", sender.app.conf.task_queues[0], args[0], shown=name)
    except OperationalError as error:
        del _back_on_queue[name]
        # The coordinator issues again what no worker works on.
        _log.warning("assignment.not_kept", run=work.run, reason=str(error))
