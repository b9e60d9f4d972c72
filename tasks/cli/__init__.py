"""The `fairwind` command, installed by itself and as ``celery -A tasks fairwind``."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path

from common.log import configure
from tasks.cli.advice import advice
from tasks.cli.base import fairwind
from tasks.cli.checks import check, settings
from tasks.cli.clients import clients, enroll, retire
from tasks.cli.ledgers import ledger
from tasks.cli.plan import plan
from tasks.cli.report import report
from tasks.cli.runs import run
from tasks.cli.signals import forecast, signal, zones
from tasks.cli.status import status

for _command in (
    enroll, retire, clients, zones, signal, forecast, run, status, plan, advice, report, ledger,
    settings, check,
):  # fmt: skip
    fairwind.add_command(_command)

for _entry in entry_points(group="fairwind.commands"):
    fairwind.add_command(_entry.load())


def main() -> None:
    """Run the command line; as for a worker, the current folder's modules can be imported."""
    sys.path.append(str(Path.cwd()))
    configure("WARNING")  # to stderr: what a command prints may be JSON
    fairwind(prog_name="fairwind")


__all__ = ["fairwind", "main"]
