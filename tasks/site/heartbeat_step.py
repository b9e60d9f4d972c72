"""What sends the heartbeats of a site's worker, and ends it where another took its place."""

from __future__ import annotations

from typing import Any

import redis
from celery import bootsteps, signals
from celery.worker import state as worker_state

from common import settings
from common.log import get_logger
from tasks.messaging.heartbeats import HeartbeatSender
from tasks.messaging.queues import queue, send
from tasks.site.deaths import waiting_again
from tasks.site.ending import Ending
from tasks.site.post import work_of
from tasks.site.site_clock import SiteClock
from tasks.site.worker_state import WorkerLock

_log = get_logger(__name__)


class HeartbeatStep(bootsteps.StartStopStep):
    """Announces the worker when it is connected, and sends its heartbeats until it leaves."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    heartbeats: HeartbeatSender
    clock: SiteClock
    lock: WorkerLock
    ending: Ending

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._timer: Any = None
        consumer.heartbeats = self.heartbeats

    def start(self, consumer: Any) -> None:
        """Announce this incarnation, and send heartbeats from now on."""
        self.ending.watch(consumer.hub)
        self._beat()
        heartbeat = self.heartbeats.heartbeat(None)
        send(
            "join",
            queue("aggregation"),
            heartbeat,
            shown=f"{heartbeat.client} has joined",
            signer=self.heartbeats.signer,
        )
        period = settings.load().heartbeat_s
        self._timer = consumer.timer.call_repeatedly(period, self._beat, priority=10)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - the signature of a bootstep
        """Stop the heartbeats: the connection is lost or the worker ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def shutdown(self, consumer: Any) -> None:
        """Withdraw the heartbeat, so that the next worker of this client can start."""
        self.stop(consumer)
        try:
            self.heartbeats.leave()
        except redis.RedisError:
            _log.warning("heartbeat.not_withdrawn", client=self.heartbeats.client)

    def _beat(self) -> None:
        # Reserved, not only active: from the moment a task is taken off the queue it is in work.
        names = map(work_of, tuple(worker_state.reserved_requests))
        _send_heartbeat(self, next(filter(None, names), None) or waiting_again())
        self.lock.take()


@signals.task_received.connect
def _send_busy(request: Any, **_: Any) -> None:
    """Send a heartbeat at once: an assignment in no queue and no heartbeat would count as lost."""
    _send_heartbeat(HeartbeatStep, work_of(request))


def _send_heartbeat(step: HeartbeatStep | type[HeartbeatStep], busy: str | None) -> None:
    sender = step.heartbeats
    try:
        rival = sender.renew(busy)
    except redis.RedisError as error:
        _log.warning("heartbeat.not_sent", reason=str(error))
        return
    if rival is not None:
        step.ending.end(
            f"Another worker (process {rival.pid} on {rival.host}) has taken the place of this one "
            f"as the worker of {sender.client}, while this one stood still, so this one ends. To "
            "serve the client from here, stop the other first."
        )
    elif sender.clock_ahead_s is not None:
        step.clock.note(sender.clock_ahead_s)
