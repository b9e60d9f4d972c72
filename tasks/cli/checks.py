"""Commands that look before anything runs: `settings` and `check`."""

from __future__ import annotations

import click

from common import settings as settings_
from common.settings import PREFIX, Settings
from tasks.cli.base import as_json, print_json, print_table
from tasks.cli.preflight import findings


@click.command()
@as_json
def settings(*, as_json: bool) -> None:
    """List every setting: its variable, its value here, what it means."""
    ours = settings_.load()
    rows = [
        (f"{PREFIX}{name}".upper(), _shown(name, getattr(ours, name)), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        print_json({name: value for name, value, _ in rows})
        return
    print_table(["variable", "value", "meaning"], rows)


def _shown(name: str, value: object) -> str:
    if name in ("redis_url", "ledger_url") and value:
        return settings_.without_password(str(value))
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)


@click.command()
@as_json
def check(*, as_json: bool) -> None:
    """Look for what would go wrong on this machine: finding, consequence, fix."""
    found = findings()
    if as_json:
        print_json([vars(finding) for finding in found])
    for finding in [] if as_json else found:
        click.echo(click.style(f"{finding.level:<8}", fg=_COLOURS[finding.level]) + finding.text)
    if any(finding.level == "error" for finding in found):
        raise SystemExit(1)
    if not as_json and not any(finding.level == "warning" for finding in found):
        click.echo("Ready.")


_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
