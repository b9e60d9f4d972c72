"""What makes a Celery worker the coordinator: the ledger at hand, a look around at its start."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import redis
from celery import bootsteps, signals

from common import settings
from common.clock_start import await_start
from tasks.app import app
from tasks.coordinator.coordinator import coordinator, workbench
from tasks.messaging.broker import check_reachable, connect
from tasks.messaging.drivers import sign
from tasks.messaging.queues import private_keys, queue, send


def prepare(instance: Any, conf: Any, queues: list[str]) -> None:
    """Turn a worker that is about to start into a coordinator.

    Raises:
        FairwindError: If a setting, Redis, the signal or the ledger does not allow it.
    """
    private_keys(conf, "-".join(queues))
    here = coordinator()
    if conf.worker_concurrency is None:
        # Where grids are asked over the network, a second child keeps the rounds going meanwhile.
        conf.worker_concurrency = 2 if here.histories else 1
    if instance.hostname.startswith("celery@"):
        instance.hostname = instance.hostname.replace("celery@", "coordinator@", 1)
    check_reachable(here.broker)
    sign(here.broker, queues)  # it takes seconds from here until it is connected
    here.ledger.close()
    import tasks.coordinator.advice  # noqa: PLC0415 - the coordinator alone loads these, torch included
    import tasks.coordinator.carbon  # noqa: PLC0415
    import tasks.coordinator.rounds  # noqa: F401, PLC0415

    # A child must not share its parent's connections.
    coordinator.cache_clear()
    SignStep.names, SignStep.broker = queues, connect(settings.load())
    app.steps["consumer"].add(SignStep)
    signals.worker_process_init.connect(_warm_up, weak=False)
    signals.worker_ready.connect(_first_tick, weak=False)


class SignStep(bootsteps.StartStopStep):
    """Leaves a sign of life for each queue that the worker serves, while it is connected."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    names: Sequence[str]
    broker: redis.Redis

    def __init__(self, consumer: Any, **_: Any) -> None:
        del consumer
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
        sign(self.broker, self.names)


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
