"""What ``celery -A simulation`` finds: a worker that takes simulations, and nothing else."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from celery import signals

from common.errors import SettingError
from tasks.app import app
from tasks.worker_options import check_options, ending_if_unfit, queue_names, quieten

__all__ = ["app"]


@signals.celeryd_init.connect
def _take_role(instance: Any, conf: Any, options: dict[str, Any], **_: Any) -> None:
    """Load what simulates, and only where a worker starts."""
    quieten(instance)
    with ending_if_unfit():
        check_options(options, conf, is_site=False)
        if queue_names(options.get("queues")) or options.get("client"):
            msg = (
                "A worker of simulations serves the queue of its own code, so one with another "
                "queue was not started. Leave out -Q and --client."
            )
            raise SettingError(msg)
        import_module("simulation.hosts.worker").prepare(instance, conf)
