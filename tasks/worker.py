"""The role of a worker, chosen by the queues it serves.

A worker of ``client.<id>`` is a site: it trains, and loads neither ledger nor scheduler. A worker
of ``coordinator`` and ``aggregation`` plans and aggregates. Beat, Flower and the command line load
neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from celery import signals

from common.errors import FairwindError
from tasks.app import refuse
from tasks.roles import COORDINATOR_QUEUES, SITE_PREFIX
from tasks.worker_options import check_options, ending_if_unfit, queue_names, quieten


@signals.celeryd_init.connect
def _take_role(instance: Any, conf: Any, options: dict[str, Any], **_: Any) -> None:
    """Load the room of the worker's role, and nothing else."""
    quieten(instance)
    client = options.get("client")
    queues = queue_names(options.get("queues")) or ([SITE_PREFIX + client] if client else [])
    sites = [name for name in queues if name.startswith(SITE_PREFIX)]
    with ending_if_unfit():
        check_options(options, conf, is_site=bool(sites))
        if queues and set(queues) <= COORDINATOR_QUEUES:
            import_module("tasks.coordinator.worker").prepare(instance, conf, queues)
        elif len(queues) == len(sites) == 1:
            import_module("tasks.site.worker").prepare(
                instance, conf, sites[0].removeprefix(SITE_PREFIX)
            )
        else:
            refuse(FairwindError(_HOW_TO_START))


_HOW_TO_START = (
    "A worker serves either -Q coordinator,aggregation or one -Q client.<id>, and this one names "
    "neither, so it was not started. Name its queue."
)
