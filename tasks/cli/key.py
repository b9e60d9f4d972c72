"""The command `key`: the coordinator's public key, which sites are given."""

from __future__ import annotations

import click

from common import settings as settings_
from common.command_line.screen import echo


@click.command()
def key() -> None:
    """Print the coordinator's public key; make the key if there is none.

    With a key, the coordinator signs what it sends and counts only what enrolled keys have signed.
    Restart it after the first time. Sites set FAIRWIND_COORDINATOR_KEY to what is printed.
    """
    from common.identity import load_or_make  # noqa: PLC0415 - few verbs load cryptography
    from tasks.roles import coordinator_key_file  # noqa: PLC0415 - (the same)

    echo(load_or_make(coordinator_key_file(settings_.load().folder)).public.text)
