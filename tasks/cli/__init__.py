"""The `fairwind` command, installed by itself and as ``celery -A tasks fairwind``."""

from __future__ import annotations

from tasks.cli.base import fairwind
from tasks.cli.checks import check, settings
from tasks.cli.clients import clients, enroll, retire, zones
from tasks.cli.demo import demo
from tasks.cli.ledgers import ledger
from tasks.cli.look import plan, status
from tasks.cli.runs import run

for _command in (
    enroll, retire, clients, zones, run, status, plan, ledger, settings, check, demo,
):  # fmt: skip
    fairwind.add_command(_command)


def main() -> None:
    """Run the command line."""
    fairwind(prog_name="fairwind")


__all__ = ["fairwind", "main"]
