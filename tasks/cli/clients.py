"""Commands about clients: retire and list them."""

from __future__ import annotations

import click

from common.command_line.output import as_json, print_json
from common.command_line.screen import echo
from common.command_line.table import print_table
from common.errors import FederationError
from common.units import show_energy, show_intensity, show_mass
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientRetired
from tasks.cli.base import current_view, ledger_to_append, ledger_to_read
from tasks.cli.completion import complete_client
from tasks.cli.status import print_notices


@click.command()
@click.argument("client", shell_complete=complete_client)
def retire(client: str) -> None:
    """Retire a client. Its past stays in the ledger."""
    with ledger_to_append().transaction() as tx:
        if client not in tx.state.clients or tx.state.clients[client].retired:
            msg = f"No client {client!r} is enrolled, so none was retired. See `fairwind clients`."
            raise FederationError(msg)
        tx.append(Draft(ClientRetired(), client=client))
    echo(f"{client} is retired.")


@click.command()
@as_json
def clients(*, as_json: bool) -> None:
    """List the clients with grid, gate, state, energy and emissions."""
    shown = current_view(ledger_to_read().state(), None)
    seen = shown["clients"]
    if as_json:
        print_json(seen)
        return
    print_notices(shown, above_verdict=False)
    kits = any(row["kit"] for row in seen)
    print_table(
        [
            "client", "zone", "intensity", "gate", "state", *(["kit"] * kits), "energy", "emitted",
            "why",
        ],
        [
            [
                row["client"], row["zone"], show_intensity(row["intensity"]),
                row["gate"].replace("_", " "), row["state"], *([row["kit"] or ""] * kits),
                show_energy(row["energy_wh"]), show_mass(row["gco2eq"]), row["why"],
            ]
            for row in seen
        ],
    )  # fmt: skip
