"""What makes a Celery worker a site: one queue, one task at a time, a name and a heartbeat."""

from __future__ import annotations

import os
import re
from typing import Any

import redis
from celery import bootsteps, signals
from celery.worker import state as worker_state

from common import settings
from common.errors import SettingError
from common.log import get_logger
from common.messages import NAME_PATTERN
from tasks.app import app
from tasks.messaging.broker import check_reachable, connect
from tasks.messaging.heartbeats import HeartbeatSender
from tasks.messaging.queues import client_queue, private_keys, queue, send
from tasks.site.site_files import SiteFiles
from tasks.site.site_policy import check_windows
from tasks.site.worker_state import WorkerState

_log = get_logger(__name__)


def prepare(instance: Any, conf: Any, client: str) -> None:
    """Turn a worker that is about to start into the site of `client`.

    Raises:
        SettingError: If the client id is malformed or no task could be trained.
        BrokerError: If Redis does not answer.
        FederationError: If the client already has a worker.
    """
    if not re.fullmatch(NAME_PATTERN, client):
        msg = (
            f"{client!r} is no client id, so no worker was started. Use letters, digits, dots, "
            "dashes and underscores, 64 at most."
        )
        raise SettingError(msg)
    conf.task_queues = [client_queue(client)]
    conf.worker_concurrency = 1
    private_keys(conf, client)
    if instance.hostname.startswith("celery@"):
        instance.hostname = f"train@{client}"
    ours = settings.load()
    check_windows(ours.site_windows)
    broker = connect(ours)
    check_reachable(broker)
    files = SiteFiles(ours, client)
    heartbeats = HeartbeatStep.heartbeats = HeartbeatSender(
        broker, ours, client, is_paused=lambda: files.paused_since is not None
    )
    heartbeats.claim()
    app.steps["consumer"].add(HeartbeatStep)
    lock = WorkerState.announce(ours, files)
    if ours.gpu != "auto":  # before torch looks for GPUs, and as the energy meter reads it
        os.environ["CUDA_VISIBLE_DEVICES"] = "" if ours.gpu == "none" else ours.gpu
    import tasks.site.advice  # noqa: F401, PLC0415 - a task of sites alone
    from tasks.site.train import start_site  # noqa: PLC0415 - loads torch, in a site's process alone

    heartbeats.renew(None, ready=False)  # loading torch takes seconds

    def start_child(**_: Any) -> None:
        if lock is not None:  # a child that outlives its worker must not look like it
            os.close(lock)
        start_site(client, heartbeats.incarnation)

    signals.worker_process_init.connect(start_child, weak=False)


class HeartbeatStep(bootsteps.StartStopStep):
    """Announces the worker when it is connected, and sends its heartbeats until it leaves."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    heartbeats: HeartbeatSender

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._timer: Any = None
        consumer.heartbeats = self.heartbeats

    def start(self, consumer: Any) -> None:
        """Announce this incarnation, and send heartbeats from now on."""
        self._beat()
        heartbeat = self.heartbeats.heartbeat(None)
        send("join", queue("coordinator"), heartbeat, shown=f"{heartbeat.client} has joined")
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
        names = [request.argsrepr for request in worker_state.reserved_requests]
        _send_heartbeat(self.heartbeats, names[0] if names else None)


@signals.task_received.connect
def _send_busy(request: Any, **_: Any) -> None:
    """Send a heartbeat at once: an assignment in no queue and no heartbeat would count as lost."""
    _send_heartbeat(HeartbeatStep.heartbeats, request.argsrepr)


def _send_heartbeat(sender: HeartbeatSender, busy: str | None) -> None:
    try:
        if not sender.renew(busy):
            _log.error(
                "client.served_twice", client=sender.client, remedy="stop one of its workers"
            )
    except redis.RedisError as error:
        _log.warning("heartbeat.not_sent", reason=str(error))
