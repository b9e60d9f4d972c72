"""The command `enroll`: a client takes part from now on."""

from __future__ import annotations

import re

import click

from common import settings as settings_
from common.errors import SettingError
from common.identity import PublicKey
from common.messages import NAME_PATTERN
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled
from tasks.cli.base import ledger_to_append, wake
from tasks.cli.completion import complete_client
from tasks.cli.grids import check_zone


@click.command()
@click.argument("client", shell_complete=complete_client)
@click.option("--zone", required=True, help="Electricity Maps zone id of its grid, e.g. FR.")
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    help="Cap on the examples that count as its weight.",
)
@click.option("--key", help="The public key with which its site signs: fairwind site key.")
def enroll(client: str, zone: str, examples: int | None, key: str | None) -> None:
    """Enrol a client, or change its zone, its cap on examples or its key."""
    if not re.fullmatch(NAME_PATTERN, client):
        msg = f"{client!r} is no client id. Use letters, digits, dots, dashes and underscores."
        raise SettingError(msg)
    unchecked = check_zone(settings_.load(), zone)
    if key is not None:
        PublicKey(key)  # refused with one line, if it is none
    enrolled = ClientEnrolled(zone=zone, num_examples=examples, key=key)
    with ledger_to_append(create=True).transaction() as tx:
        tx.append(Draft(enrolled, client=client))
    wake()
    if unchecked:
        click.echo(f"Whether there is a zone {zone} could not be checked: {unchecked}", err=True)
    click.echo(
        f"{client} is enrolled in {zone}. At the site: celery -A tasks worker -Q client.{client}"
    )
