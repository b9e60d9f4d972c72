"""The Celery application: transport, configuration and logging of every process of ours."""

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

_SCHEMES = ("redis", "rediss")


def refuse(error: FairwindError) -> NoReturn:
    """End this process with one line instead of a traceback."""
    sys.stderr.write(f"fairwind: {error}\n")
    raise SystemExit(2)


def _check_address(url: str) -> None:
    """Refuse an address that is not one of Redis; Celery would end with a traceback."""
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


def _make_app() -> Celery:
    made = Celery("fairwind")
    made.user_options["worker"].add(
        click.Option(
            ("--client",),
            help="Serve this client: short for -Q client.<id>.",
            envvar="FAIRWIND_CLIENT",
        )
    )
    try:
        made.config_from_object("celeryconfig", force=True)
        _check_address(made.conf.broker_url)
    except FairwindError as error:
        refuse(error)
    return made


for _scheme in _SCHEMES:
    TRANSPORT_ALIASES[_scheme] = "tasks.kombu_transport:Transport"

# Flower looks for its configuration in the current folder only. Without ours it would listen on
# every interface and accept any visitor.
if _flower := find_spec("flowerconfig"):
    os.environ.setdefault("FLOWER_CONF", str(_flower.origin))

app = _make_app()


@signals.setup_logging.connect
def _setup_logging(loglevel: int | str | None = None, **_: Any) -> None:
    log.configure(loglevel or "INFO")
