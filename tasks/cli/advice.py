"""The command `advice`: what a site could do to emit less."""

from __future__ import annotations

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json
from common.command_line.screen import echo_lines
from scheduler.advice import SEEN_ROUNDS, RecentWork, gather, make_advice
from scheduler.advice.render import card
from scheduler.carbon.grid import Grid
from scheduler.carbon.sources import federation_family
from scheduler.gate.gate import gate_rule
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.events import RoundPlanned
from tasks.cli.base import ledger_to_read
from tasks.cli.completion import complete_client
from tasks.cli.grids import open_signal


@click.command()
@click.argument("client", shell_complete=complete_client)
@as_json
def advice(client: str, *, as_json: bool) -> None:
    """Show what a client could do to emit less, in grams, and how each figure is computed."""
    ours = settings_.load()
    ledger = ledger_to_read()
    state = ledger.state()
    planned = ledger.newest(RoundPlanned.kind, limit=SEEN_ROUNDS)
    record = RecentWork.of(state, planned, Blobs(ours.folder / "blobs"), ours.clock.now())
    grid = Grid(open_signal(ours), federation_family(ours))
    made = make_advice(gather(state, record, grid, gate_rule(ours), client))
    if as_json:
        print_json(made.to_dict())
    else:
        echo_lines(card(made), nl=False)
