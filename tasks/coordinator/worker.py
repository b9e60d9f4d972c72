"""What makes a Celery worker the coordinator: the ledger at hand, a look around at its start."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

import redis
from celery import bootsteps, signals
from celery.platforms import EX_FAILURE
from celery.worker import state as worker_state
from kombu.exceptions import OperationalError

from common import settings
from common.clock_start import await_start
from common.errors import LedgerMovedError
from common.files import check_writable
from common.log import get_logger
from common.private_files import close_to_others
from common.settings import Settings
from scheduler.ledger.database import file_identity, sqlite_path
from scheduler.ledger.file_guard import Identity, moved
from scheduler.status.drivers import Busy
from tasks.app import app
from tasks.coordinator.coordinator import coordinator, workbench
from tasks.messaging.broker import check_usable, connect
from tasks.messaging.drivers import sign
from tasks.messaging.intake import send_owed, take_only
from tasks.messaging.queues import name_connections, queue, send
from tasks.roles import KEPT, coordinator_folders

_log = get_logger(__name__)


def prepare(instance: Any, conf: Any, queues: list[str]) -> None:
    """Turn a worker that is about to start into a coordinator.

    Raises:
        FairwindError: If a setting, Redis, the signal or the ledger does not allow it.
    """
    name_connections(conf, queues)
    for folder in coordinator_folders(settings.load().folder):
        check_writable(folder, setting="FAIRWIND_HOME")
    if closed := close_to_others(settings.load().folder, KEPT):
        _log.warning("files.closed_to_others", files=closed)
    here = coordinator(create=True)
    if conf.worker_concurrency is None:
        # Where grids are asked over the network, a second child keeps the rounds going meanwhile.
        conf.worker_concurrency = 2 if here.histories else 1
    if instance.hostname.startswith("celery@"):
        instance.hostname = instance.hostname.replace("celery@", "coordinator@", 1)
    here.redis_users.follow(here.ledger.state())
    check_usable(here.broker, to_run_scripts=here.sources is not None)
    SignStep.ledger = here.settings.ledger
    SignStep.file = file_identity(here.settings.ledger)
    sign(here.broker, queues)  # it takes seconds from here until it is connected
    here.ledger.close()
    import tasks.coordinator.advice  # noqa: PLC0415 - the coordinator alone loads these, torch included
    import tasks.coordinator.carbon  # noqa: PLC0415
    import tasks.coordinator.joining  # noqa: PLC0415
    import tasks.coordinator.rounds  # noqa: F401, PLC0415

    ours = settings.load()
    take_only(_TAKEN, ours.folder, wakes_every_s=_wakes_every_s(ours))
    # A child must not share its parent's connections.
    coordinator.cache_clear()
    SignStep.names, SignStep.broker = queues, connect(ours)
    app.steps["consumer"].add(SignStep)
    signals.worker_process_init.connect(_warm_up, weak=False)
    signals.task_failure.connect(_stop_if_moved, weak=False)
    signals.worker_ready.connect(_first_tick, weak=False)


_TAKEN = {
    "tick": 0, "refresh_carbon": 0, "settle_carbon": 0, "advise_sites": 0,
    "accept": 1, "join": 1, "join_site": 1, "check_run": 1,
}  # fmt: skip
"""What is taken from the coordinator's queues, and how many arguments each task has."""


def _wakes_every_s(ours: Settings) -> dict[str, float]:
    """Return how often a task that only wakes runs at most: twice as often as beat sends it.

    Some are sent by others, too, so two within a moment are no fault: then the second is put off.
    """
    return {
        "tick": min(1.0, ours.tick_s / 2),
        "refresh_carbon": min(5.0, ours.refresh_s / 2),
        "settle_carbon": ours.settle_s / 2,
        "advise_sites": ours.settle_s / 2,
    }


class SignStep(bootsteps.StartStopStep):
    """Leaves a sign of life for each queue that the worker serves, while it is connected.

    A worker whose ledger was moved leaves none, and stops: what it records would be lost.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    names: Sequence[str]
    broker: redis.Redis
    ledger: str
    file: Identity | None

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._pool = consumer.pool
        self._since: dict[str, float] = {}
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Leave a sign now, and from now on."""
        self._sign()
        period_s = settings.load().heartbeat_s
        self._timer = consumer.timer.call_repeatedly(period_s, self._sign, priority=10)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - the signature of a bootstep
        """Leave no more: the connection is lost or the worker ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sign(self) -> None:
        if file_identity(self.ledger) != self.file:
            _log.error("ledger.moved", sentence=moved(sqlite_path(self.ledger)))
            worker_state.should_stop = EX_FAILURE  # type: ignore[assignment] # None until then
            return
        sign(self.broker, self.names, self._busy())
        try:
            send_owed(self.names[0])
        except OperationalError as error:
            _log.warning("task.not_sent", reason=str(error))  # beat sends the next one

    def _busy(self) -> Busy | None:
        """Return the task that took this worker's last free process; `None` if one is free.

        This is the parent's sign of life: a child that hangs would leave no trace in it.
        """
        now = time.monotonic()
        taken = {task.id: task.name for task in tuple(worker_state.reserved_requests)}
        self._since = {each: self._since.get(each, now) for each in taken}
        if len(taken) < self._pool.num_processes:
            return None
        last = max(self._since, key=lambda each: self._since[each])
        return Busy(taken[last], now - self._since[last])


def _stop_if_moved(exception: BaseException, **_: Any) -> None:
    """Stop the worker whose child found that the ledger is not the one that was opened."""
    if isinstance(exception, LedgerMovedError):
        _log.error("ledger.moved", sentence=str(exception))
        os.kill(os.getppid(), signal.SIGTERM)


def _warm_up(**_: Any) -> None:
    import torch  # noqa: PLC0415 - the coordinator's process alone

    torch.set_num_threads(settings.load().threads)
    workbench().warm_up()
    if file := settings.load().wall_start_file:
        await_start(file)
    coordinator().ledger.state()
    # What is loaded now stays; to look for garbage in it would double the time of some ticks.
    gc.freeze()


def _first_tick(**_: Any) -> None:
    for task in ("refresh_carbon", "tick"):
        send(task, queue("coordinator"))
