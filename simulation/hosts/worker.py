"""What makes a Celery worker one that takes simulations. It needs no ledger and no coordinator."""

from __future__ import annotations

import os
import re
import socket
from typing import Any
from uuid import uuid4

import redis
from celery import bootsteps

from common import settings
from common.files import check_writable
from common.log import get_logger
from common.settings import Settings
from simulation.hosts.identity import HostIdentity, host_identity
from simulation.hosts.message import TASK, WorkerSign, worker_key
from simulation.hosts.task import SimulationHost, simulations_folder
from tasks.app import app
from tasks.messaging.broker import check_usable, connect
from tasks.messaging.intake import take_only
from tasks.messaging.queues import name_connections

_log = get_logger(__name__)


def prepare(instance: Any, conf: Any) -> None:
    """Turn a worker that is about to start into one that takes simulations.

    Raises:
        FairwindError: If a setting or Redis does not allow it.
    """
    ours = settings.load()
    identity = host_identity(ours.coordinator_key)
    broker = connect(ours)
    check_usable(broker)
    folder = simulations_folder(ours)
    check_writable(folder, setting="FAIRWIND_HOME")
    conf.task_queues = [identity.queue]
    conf.worker_enable_remote_control = False
    if conf.worker_concurrency is None:
        conf.worker_concurrency = os.cpu_count() or 1
    name_connections(conf, [identity.queue.name])
    if instance.hostname.startswith("celery@"):
        instance.hostname = instance.hostname.replace("celery@", "simulate@", 1)
    take_only({TASK: 1}, folder)
    SimulationHost.worker = worker_name(socket.gethostname())
    SimulationHost.queue = identity.queue.name
    WorkerSignStep.identity, WorkerSignStep.broker = identity, broker
    app.steps["consumer"].add(WorkerSignStep)
    _log.info("simulations.offered", queue=identity.queue.name, code=identity.code)


def worker_name(host: str) -> str:
    """Return a name that no other worker has; names of hosts may have characters it may not."""
    return f"{re.sub('[^A-Za-z0-9.-]', '-', host)}:{os.getpid()}:{uuid4().hex[:8]}"


class WorkerSignStep(bootsteps.StartStopStep):
    """Leaves a sign of life while the worker is connected; it expires if the worker is killed."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    identity: HostIdentity
    broker: redis.Redis

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._pool = consumer.pool
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Leave a sign now, and from now on."""
        self._sign()
        period_s = settings.load().heartbeat_s
        self._timer = consumer.timer.call_repeatedly(period_s, self._sign, priority=10)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - the signature of a bootstep
        """Leave no more, and take back the last: the connection is lost or the worker ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self.broker.delete(worker_key(SimulationHost.worker))
        except redis.RedisError as error:
            _log.warning("sign.not_taken_back", reason=str(error))

    def _sign(self) -> None:
        sign = WorkerSign(
            worker=SimulationHost.worker, host=socket.gethostname(),
            processes=self._pool.num_processes, code=self.identity.code,
            libraries=self.identity.libraries, key=self.identity.key,
        )  # fmt: skip
        kept_ms = _kept_ms(settings.load())
        try:
            self.broker.set(worker_key(SimulationHost.worker), sign.model_dump_json(), px=kept_ms)
        except redis.RedisError as error:
            _log.warning("sign.not_left", reason=str(error))


def _kept_ms(ours: Settings) -> int:
    return round(1000 * ours.silent_after_s)
