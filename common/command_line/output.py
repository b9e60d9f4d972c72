"""What a verb prints for programs."""

from __future__ import annotations

import json
from typing import Any

import click

from common.visible import escaped_json

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(escaped_json(json.dumps(value, indent=2, default=str, ensure_ascii=False)))


def print_json_line(value: Any) -> None:
    """Print a value as JSON, on one line."""
    click.echo(escaped_json(json.dumps(value, default=str, ensure_ascii=False)))
