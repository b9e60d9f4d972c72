"""Commands about clients: enrol, retire and list them."""

from __future__ import annotations

import re

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json, print_table
from common.errors import FederationError, SettingError
from common.messages import NAME_PATTERN
from common.units import show_energy, show_intensity, show_mass
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, ClientRetired
from tasks.cli.base import current_view, ledger_to_append, ledger_to_read, wake
from tasks.cli.signals import check_zone
from tasks.cli.status import print_notices


@click.command()
@click.argument("client")
@click.option("--zone", required=True, help="Electricity Maps zone id of its grid, e.g. FR.")
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    help="Cap on the examples that count as its weight.",
)
def enroll(client: str, zone: str, examples: int | None) -> None:
    """Enrol a client, or change its zone or its cap on examples."""
    if not re.fullmatch(NAME_PATTERN, client):
        msg = f"{client!r} is no client id. Use letters, digits, dots, dashes and underscores."
        raise SettingError(msg)
    unchecked = check_zone(settings_.load(), zone)
    enrolled = ClientEnrolled(zone=zone, num_examples=examples)
    with ledger_to_append(create=True).transaction() as tx:
        tx.append(Draft(enrolled, client=client))
    wake()
    if unchecked:
        click.echo(f"Whether there is a zone {zone} could not be checked: {unchecked}", err=True)
    click.echo(
        f"{client} is enrolled in {zone}. At the site: celery -A tasks worker -Q client.{client}"
    )


@click.command()
@click.argument("client")
def retire(client: str) -> None:
    """Retire a client. Its past stays in the ledger."""
    with ledger_to_append().transaction() as tx:
        if client not in tx.state.clients or tx.state.clients[client].retired:
            msg = f"No client {client!r} is enrolled, so none was retired. See `fairwind clients`."
            raise FederationError(msg)
        tx.append(Draft(ClientRetired(), client=client))
    click.echo(f"{client} is retired.")


@click.command()
@as_json
def clients(*, as_json: bool) -> None:
    """List the clients with grid, gate, state, energy and emissions."""
    shown = current_view(ledger_to_read().state(), None)
    seen = shown["clients"]
    if as_json:
        print_json(seen)
        return
    print_notices(shown)
    print_table(
        ["client", "zone", "intensity", "gate", "state", "energy", "emitted", "why"],
        [
            [
                row["client"], row["zone"], show_intensity(row["intensity"]),
                row["gate"].replace("_", " "), row["state"], show_energy(row["energy_wh"]),
                show_mass(row["gco2eq"]), row["why"],
            ]
            for row in seen
        ],
    )  # fmt: skip
