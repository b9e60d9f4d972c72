"""The commands `enroll`, `rotate` and `revoke`: who takes part, and with which credentials."""

from __future__ import annotations

import re
from pathlib import Path

import click

from common import settings as settings_
from common.command_line.screen import echo
from common.errors import FederationError, SettingError
from common.identity import PublicKey
from common.messages import NAME_PATTERN
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled, ClientRevoked
from tasks.cli.base import ledger_to_append, ledger_to_read, wake
from tasks.cli.completion import complete_client
from tasks.cli.grids import check_zone
from tasks.cli.kits import NewKit, new_kit, print_kit, valid_days

_kit_file = click.Path(path_type=Path, dir_okay=False)

_CUT_OFF = "{}'s password has changed. Its worker is cut off until it has joined again."


@click.command()
@click.argument("client", shell_complete=complete_client)
@click.option("--zone", required=True, help="Electricity Maps zone id of its grid, e.g. FR.")
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    help="Cap on the examples that count as its weight.",
)
@click.option(
    "--kit", "kit_path", type=_kit_file, metavar="FILE",
    help="Write the one file with which its site joins: fairwind site join FILE.",
)  # fmt: skip
@valid_days
@click.option(
    "--key", help="Without a kit: the public key with which its site signs: fairwind site key."
)
def enroll(
    client: str,
    *,
    zone: str,
    examples: int | None,
    kit_path: Path | None,
    valid_days: int,
    key: str | None,
) -> None:
    """Enrol a client, or change its zone, its cap on examples or its key."""
    if not re.fullmatch(NAME_PATTERN, client):
        msg = f"{client!r} is no client id. Use letters, digits, dots, dashes and underscores."
        raise SettingError(msg)
    if kit_path is not None and key is not None:
        msg = (
            "--kit and --key exclude each other, so nothing was done: with a kit, the site makes "
            "its key as it joins. Leave out one of them."
        )
        raise SettingError(msg)
    unchecked = check_zone(settings_.load(), zone)
    if key is not None:
        PublicKey(key)  # refused with one line, if it is none
    ledger = ledger_to_append(create=True)
    if kit_path is None:
        with ledger.transaction() as tx:
            tx.append(
                Draft(ClientEnrolled(zone=zone, num_examples=examples, key=key), client=client)
            )
    else:
        before = ledger.state().clients.get(client)
        made = new_kit(
            client, zone=zone, num_examples=examples, valid_days=valid_days, path=kit_path
        )
        _record(made, kit_path)
    wake()
    if unchecked:
        echo(f"Whether there is a zone {zone} could not be checked: {unchecked}", err=True)
    if kit_path is not None:
        echo(f"{client} is enrolled in {zone}.")
        if before is not None and before.redis_password_sha256 is not None:
            echo(_CUT_OFF.format(client))
        print_kit(made, kit_path)
        return
    echo(f"{client} is enrolled in {zone}. At the site: celery -A tasks worker -Q client.{client}")


@click.command()
@click.argument("client", shell_complete=complete_client)
@click.option(
    "--kit", "kit_path", type=_kit_file, metavar="FILE", required=True,
    help="Where to write the new kit.",
)  # fmt: skip
@valid_days
def rotate(client: str, kit_path: Path, valid_days: int) -> None:
    """Give a client's site a new password and a new kit.

    The old password ends at once, and the site is cut off until it joins with the new kit. Then it
    has a new key, and the old one is refused.
    """
    known = _enrolled(ledger_to_read().state(), client)
    made = new_kit(
        client, zone=known.zone, num_examples=known.num_examples, valid_days=valid_days,
        path=kit_path,
    )  # fmt: skip
    _record(made, kit_path)
    woken = wake()
    echo(_CUT_OFF.format(client))
    print_kit(made, kit_path)
    _print_if_asleep(woken=woken)


@click.command()
@click.argument("client", shell_complete=complete_client)
def revoke(client: str) -> None:
    """Take a client out at once: its key and its Redis user are worth nothing from now on.

    Open work of it is not waited for. Its past stays in the ledger. To take it in again, enrol it
    with a new kit.
    """
    with ledger_to_append().transaction() as tx:
        known = tx.state.clients.get(client)
        if known is None or known.revoked:
            raise FederationError(_not_there(client))
        tx.append(Draft(ClientRevoked(), client=client))
    woken = wake()
    echo(f"{client} is revoked: nothing that it sends counts, and its Redis user is removed.")
    _print_if_asleep(woken=woken)


def _record(made: NewKit, path: Path) -> None:
    """Write a kit, and then say in the ledger that it is worth something."""
    made.write(path)
    try:
        with ledger_to_append(create=True).transaction() as tx:
            tx.append(Draft(made.enrolled, client=made.kit.client))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _enrolled(state: Federation, client: str) -> Client:
    known = state.clients.get(client)
    if known is None or known.retired:
        raise FederationError(_not_there(client))
    return known


def _not_there(client: str) -> str:
    return f"No client {client!r} is enrolled, so nothing was changed. See `fairwind clients`."


def _print_if_asleep(*, woken: bool) -> None:
    if not woken:
        echo(
            "Redis did not answer, so it still knows the old password. The coordinator changes it "
            "as soon as both run.",
            err=True,
        )
