"""The Celery application, and what a worker becomes by the queue it serves.

A worker of ``client.<id>`` is a site: it learns, and loads neither ledger nor scheduler. A worker
of ``coordinator`` and ``aggregation`` decides and adds up. Beat, Flower and the CLI load neither.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click
from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES

from common import log
from common.errors import BrokerError, FairwindError
from tasks.roles import COORDINATOR_QUEUES, SITE_PREFIX

for _scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[_scheme] = "tasks.wire:Transport"

app = Celery("fairwind")
app.user_options["worker"].add(
    click.Option(
        ("--client",), help="Serve this client: short for -Q client.<id>.", envvar="FAIRWIND_CLIENT"
    )
)


# Flower looks for its configuration in the current folder only, and without ours it would listen
# on every interface, open to everyone.
if _flower := find_spec("flowerconfig"):
    os.environ.setdefault("FLOWER_CONF", str(_flower.origin))


def refuse(error: FairwindError) -> NoReturn:
    """End this process with one line instead of a traceback."""
    sys.stderr.write(f"fairwind: {error}\n")
    raise SystemExit(2)


def _check_address(url: str) -> None:
    """Raise before Celery does: it would answer a wrong address with a traceback."""
    try:
        parts = urlsplit(url)
        fault = "" if parts.scheme in _SCHEMES and parts.port != 0 else "no redis:// or rediss://"
    except ValueError as error:
        fault = str(error)
    if fault:
        msg = (
            f"FAIRWIND_REDIS_URL is not a Redis address ({fault}), so nothing can be sent. "
            "Write it as redis://user:password@host:6379/0."
        )
        raise BrokerError(msg)


_SCHEMES = ("redis", "rediss")

try:
    app.config_from_object("celeryconfig", force=True)
    _check_address(app.conf.broker_url)
except FairwindError as _error:
    refuse(_error)


@signals.setup_logging.connect
def _setup_logging(loglevel: int | str | None = None, **_: Any) -> None:
    log.configure(loglevel or "INFO")


@signals.celeryd_init.connect
def _become(instance: Any, conf: Any, options: dict[str, Any], **_: Any) -> None:
    """Load what the worker's queues call for, and nothing else."""
    client = options.get("client")
    queues = _queue_names(options.get("queues")) or ([SITE_PREFIX + client] if client else [])
    sites = [name for name in queues if name.startswith(SITE_PREFIX)]
    try:
        if queues and set(queues) <= COORDINATOR_QUEUES:
            import_module("tasks.coordinator_worker").prepare(instance, conf, queues)
        elif len(queues) == len(sites) == 1:
            import_module("tasks.site_worker").prepare(
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


_HOW_TO_START = (
    "A worker serves either -Q coordinator,aggregation or one -Q client.<id>, and this one was "
    "asked for neither, so it was not started. Name its queue."
)


def _queue_names(queues: Any) -> list[str]:
    if isinstance(queues, str):
        queues = queues.split(",")
    return [str(name) for name in queues or ()]
