"""The Celery application: transport, configuration and logging of every process of ours."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click
from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES

from common import log
from common.errors import FairwindError
from common.private_files import keep_private
from common.settings.redis_address import REDIS_SCHEMES


def refuse(error: FairwindError) -> NoReturn:
    """End this process with one line instead of a traceback."""
    sys.stderr.write(f"fairwind: {error}\n")
    raise SystemExit(2)


_PROJECT = Path(__file__).resolve().parents[1]
"""Where our modules are."""


def _import_config() -> None:
    """Import our `celeryconfig`: Celery would take a user's own from the current folder."""
    sys.path.insert(0, str(_PROJECT))
    try:
        import_module("celeryconfig")
    finally:
        sys.path.remove(str(_PROJECT))


def _make_app() -> Celery:
    made = Celery(
        "fairwind", control="tasks.remote_control:Control", task_cls="tasks.wire.strict:Task"
    )
    made.user_options["worker"].add(
        click.Option(
            ("--client",),
            help="Serve this client: short for -Q client.<id>.",
            envvar="FAIRWIND_CLIENT",
        )
    )
    try:
        _import_config()
        made.config_from_object("celeryconfig", force=True)
    except FairwindError as error:
        refuse(error)
    return made


for _scheme in REDIS_SCHEMES:
    TRANSPORT_ALIASES[_scheme] = "tasks.kombu_transport:Transport"

keep_private()

# Flower looks for its configuration in the current folder only. Without ours it would listen on
# every interface and accept any visitor.
os.environ.setdefault("FLOWER_CONF", str(_PROJECT / "flowerconfig.py"))

# Celery's own default shows warnings alone: nothing of what a worker does.
os.environ.setdefault("CELERY_WORKER_LOGLEVEL", "INFO")

app = _make_app()


@signals.setup_logging.connect
def _setup_logging(loglevel: int | str | None = None, **_: Any) -> None:
    log.configure(loglevel or "INFO")
