"""The command `events`: what happened, one line an event, and what happens next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatch

import click

from common.clock import wall_now
from common.command_line.duration import Duration
from common.command_line.output import print_json_line
from common.command_line.screen import echo
from common.errors import FederationError
from common.settings.names import nearest
from scheduler.federation.federation import Federation
from scheduler.federation.opening import FederationReader
from scheduler.ledger.event import Event
from scheduler.ledger.events import PAYLOADS
from scheduler.status.which_run import find_run
from tasks.cli.base import ledger_to_read
from tasks.cli.completion import complete_client, complete_run
from tasks.cli.event_text import event_line

_LOOKS_EVERY_S = 1.0


class Kind(click.ParamType[str]):
    """A kind of event, or a pattern of kinds such as ``update.*``."""

    name = "kind"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the pattern, if some kind fits it."""
        pattern = str(value)
        if not any(fnmatch(kind, pattern) for kind in PAYLOADS):
            self.fail(f"There is no kind {pattern!r}. There are {', '.join(PAYLOADS)}.", param, ctx)
        return pattern


@dataclass(frozen=True)
class Filter:
    """Which events are shown; an empty field shows all."""

    run: str | None
    clients: tuple[str, ...]
    kinds: tuple[str, ...]
    since: datetime | None

    def shows(self, event: Event) -> bool:
        """Return whether an event passes."""
        return (
            (not self.clients or event.client in self.clients)
            and (not self.kinds or any(fnmatch(event.kind, kind) for kind in self.kinds))
            and (self.since is None or event.at >= self.since)
        )


@click.command()
@click.option("--run", shell_complete=complete_run, help="Only events of this run.")
@click.option(
    "--client",
    "clients",
    multiple=True,
    shell_complete=complete_client,
    help="Only of this client; repeatable.",
)
@click.option(
    "--kind", "kinds", multiple=True, type=Kind(),
    help="Only of this kind, e.g. round.closed or 'update.*'; repeatable.",
)  # fmt: skip
@click.option("--since", type=Duration("h"), help="Only of the last so long, e.g. 90min or 2d.")
@click.option("--follow", "-f", is_flag=True, help="Wait for more; Ctrl-C ends.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def events(
    *, run: str | None, clients: tuple[str, ...], kinds: tuple[str, ...], since: float | None,
    follow: bool, as_json: bool,
) -> None:  # fmt: skip
    """Print what happened, oldest first, one line an event."""
    begin = None if since is None else wall_now() - timedelta(hours=since)
    wanted = Filter(run, clients, kinds, begin)
    ledger = ledger_to_read()
    if run or clients:
        _check_names(ledger.state(), wanted)
    with suppress(KeyboardInterrupt) if follow else nullcontext():
        for event in _events(ledger, wanted, follow=follow):
            if as_json:
                print_json_line(_as_dict(event))
            else:
                echo(event_line(event))


def _check_names(state: Federation, wanted: Filter) -> None:
    """Refuse names that the ledger does not have: a typo would show nothing, and follow for ever.

    Raises:
        FederationError: If there is no such run or client.
    """
    if wanted.run:
        find_run(state, wanted.run)
    for client in wanted.clients:
        if client not in state.clients:
            near = nearest(client, state.clients)
            hint = f"Did you mean {near}?" if near else "See `fairwind clients`."
            msg = f"There is no client {client!r}, so nothing was done. {hint}"
            raise FederationError(msg)


def _events(ledger: FederationReader, wanted: Filter, *, follow: bool) -> Iterator[Event]:
    """Yield the events that pass; with `follow` for ever."""
    seen = 0
    while True:
        for event in ledger.events(seen, run=wanted.run):
            seen = event.seq
            if wanted.shows(event):
                yield event
        if not follow:
            return
        time.sleep(_LOOKS_EVERY_S)


def _as_dict(event: Event) -> dict[str, object]:
    return {
        "seq": event.seq, "at": event.at.isoformat(), "grid_at": event.grid_at.isoformat(),
        "kind": event.kind, "run": event.run, "round": event.round, "client": event.client,
        "body": event.payload.model_dump(mode="json"),
    }  # fmt: skip
