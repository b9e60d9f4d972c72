"""The command `check`: what would go wrong on this machine, before it does."""

from __future__ import annotations

import click

from common.command_line.output import as_json, print_json
from common.command_line.screen import Styled, echo
from tasks.cli.preflight import findings


@click.command()
@as_json
def check(*, as_json: bool) -> None:
    """Check this machine for what would go wrong: finding, consequence, fix."""
    found = findings()
    if as_json:
        print_json([vars(finding) for finding in found])
    for finding in [] if as_json else found:
        echo(Styled(f"{finding.level:<8}", fg=_COLOURS[finding.level]), finding.text)
    if any(finding.level == "error" for finding in found):
        raise SystemExit(1)
    if not as_json and not any(finding.level == "warning" for finding in found):
        echo("Ready.")


_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
