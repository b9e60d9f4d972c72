"""What a verb prints: the one way to the terminal, on which every character is seen."""

from __future__ import annotations

from typing import NamedTuple

import click

from common.visible import visible, visible_lines


class Styled(NamedTuple):
    """A part of a line in colour, bold or dim."""

    text: str
    fg: str | None = None
    bold: bool | None = None
    dim: bool | None = None


def echo(*parts: str | Styled, err: bool = False, nl: bool = True) -> None:
    """Print one line, made of parts. A line end within a part is shown as text.

    Args:
        parts: What stands behind one another; nothing prints an empty line.
        err: To stderr instead of stdout.
        nl: End the line.
    """
    click.echo("".join(map(_shown, parts)), err=err, nl=nl)


def echo_lines(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text of several lines: its line ends are ours."""
    click.echo(visible_lines(text), err=err, nl=nl)


def rewrite_line(text: str) -> None:
    """Write over the line on which stderr's cursor stands."""
    click.echo(f"\r{visible(text)}", err=True, nl=False)


def _shown(part: str | Styled) -> str:
    if isinstance(part, Styled):
        return click.style(visible(part.text), fg=part.fg, bold=part.bold, dim=part.dim)
    return visible(part)
