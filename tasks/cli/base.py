"""What all commands share: errors in one line, JSON, tables, the ledger, waking the coordinator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
from kombu.exceptions import OperationalError

from common import settings as settings_
from common.errors import FairwindError
from scheduler.federation.federation import Federation
from scheduler.federation.opening import (
    FederationLedger,
    FederationReader,
    open_ledger,
    read_ledger,
)
from scheduler.status.view import view


class OneLineErrors(click.Group):
    """A group whose commands print our own errors as one line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except FairwindError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
def fairwind() -> None:
    """Federated learning that runs where and when the electricity is clean."""


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def ledger_to_read() -> FederationReader:
    """Open the coordinator's ledger to read."""
    return read_ledger(settings_.load().ledger)


def ledger_to_append(*, create: bool = False) -> FederationLedger:
    """Open the coordinator's ledger to append; `create` makes one where there is none."""
    ours = settings_.load()
    return open_ledger(ours.ledger, ours.clock, create=create)


def current_view(state: Federation, run_id: str | None) -> dict[str, Any]:
    """Return the view of a run, or of the newest one, under this process's settings."""
    ours = settings_.load()
    return view(
        state, run_id, clock=ours.clock, threshold=ours.threshold_gco2eq_per_kwh,
        ceiling=ours.ceiling_gco2eq_per_kwh,
    )  # fmt: skip


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header, columns aligned."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        line = "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(click.style(line.rstrip(), bold=row is header))


def wake() -> bool:
    """Wake the coordinator, and return whether the message could be sent."""
    from tasks.messaging.queues import queue, send  # noqa: PLC0415 - loads celery, few commands need it

    try:
        send("tick", queue("coordinator"))
    except (OperationalError, OSError):
        return False
    return True
