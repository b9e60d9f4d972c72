"""The command `settings`: every setting, its value here and where that comes from."""

from __future__ import annotations

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json
from common.command_line.screen import echo
from common.command_line.table import print_table
from common.settings import Settings
from common.settings.names import PREFIX, variable


@click.command()
@as_json
def settings(*, as_json: bool) -> None:
    """List every setting: its variable, its value here and where that comes from, its meaning."""
    ours, origins = settings_.load(), settings_.origins()
    rows = [
        (variable(name), _shown(name, getattr(ours, name)), origins[name], field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        print_json({name: {"value": value, "from": origin} for name, value, origin, _ in rows})
        return
    print_table(["variable", "value", "from", "meaning"], rows)
    if path := settings_.settings_file():
        echo(f"The file is {path}; a name there is the variable's without {PREFIX}, in small.")


def _shown(name: str, value: object) -> str:
    if name.endswith("_url") and value:
        return settings_.without_password(str(value))
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)
