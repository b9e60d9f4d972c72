"""The role of a worker, chosen by the queues it serves.

A worker of ``client.<id>`` is a site: it trains, and loads neither ledger nor scheduler. A worker
of ``coordinator`` and ``aggregation`` plans and aggregates. Beat, Flower and the command line load
neither.
"""

from __future__ import annotations

import traceback
from importlib import import_module
from typing import Any

from celery import signals

from common.errors import FairwindError
from tasks.app import refuse
from tasks.roles import COORDINATOR_QUEUES, SITE_PREFIX


@signals.celeryd_init.connect
def _take_role(instance: Any, conf: Any, options: dict[str, Any], **_: Any) -> None:
    """Load the room of the worker's role, and nothing else."""
    _quieten(instance)
    client = options.get("client")
    queues = _queue_names(options.get("queues")) or ([SITE_PREFIX + client] if client else [])
    sites = [name for name in queues if name.startswith(SITE_PREFIX)]
    try:
        if queues and set(queues) <= COORDINATOR_QUEUES:
            import_module("tasks.coordinator.worker").prepare(instance, conf, queues)
        elif len(queues) == len(sites) == 1:
            import_module("tasks.site.worker").prepare(
                instance, conf, sites[0].removeprefix(SITE_PREFIX)
            )
        else:
            refuse(FairwindError(_HOW_TO_START))
    except FairwindError as error:
        refuse(error)
    except Exception:  # noqa: BLE001
        # Celery would swallow it and start a worker without tasks.
        traceback.print_exc()
        raise SystemExit(1) from None


def _quieten(instance: Any) -> None:
    """Let a worker exchange nothing with the others, and be seen by Flower twice a minute.

    Gossip would make each worker read the events of all others, and Celery's heartbeat would be
    sent every two seconds: in an idle federation that is most of the work. Which worker is alive
    follows from our own heartbeats.
    """
    quiet = {"without_gossip": True, "without_mingle": True, "heartbeat_interval": _SEEN_EVERY_S}
    instance.prepare_args = lambda **options: {**options, **quiet}


_SEEN_EVERY_S = 30
"""Flower calls a worker offline after twice as long without an event."""

_HOW_TO_START = (
    "A worker serves either -Q coordinator,aggregation or one -Q client.<id>, and this one names "
    "neither, so it was not started. Name its queue."
)


def _queue_names(queues: Any) -> list[str]:
    if isinstance(queues, str):
        queues = queues.split(",")
    return [str(name) for name in queues or ()]
