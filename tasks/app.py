"""The Celery application: its configuration, its logging, and the broker's address checked."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click
from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES

from common import log
from common.errors import BrokerError, FairwindError

for _scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[_scheme] = "tasks.kombu_transport:Transport"

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
