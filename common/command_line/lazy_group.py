"""A group of verbs, each imported when it runs: a verb pays for its own imports alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from common.command_line.colour import wants_colour
from common.errors import FairwindError
from common.visible import visible, visible_lines


class Verb(NamedTuple):
    """A verb of a command line: where it is, and what the list of verbs says of it."""

    path: str
    help: str

    def load(self) -> click.Command:
        """Import the verb; its path is ``module:name``."""
        module, _, name = self.path.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


class LazyGroup(click.Group):
    """A group that imports a verb when it runs, and prints our own errors as one line.

    Args:
        verbs: By name. What the list of verbs says of them needs no import.
        plugins: The entry points that name further verbs, of rooms above this one, if any.
        settings: What `click.Group` takes.
    """

    def __init__(self, *, verbs: Mapping[str, Verb], plugins: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        self._verbs = verbs
        self._plugins = plugins

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all verbs."""
        plugins = entry_points(group=self._plugins) if self._plugins else ()
        return [*self._verbs, *self.commands, *(entry.name for entry in plugins)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        if verb := self._verbs.get(cmd_name):
            return verb.load()
        plugins = entry_points(group=self._plugins, name=cmd_name) if self._plugins else ()
        for entry in plugins:
            command: click.Command = entry.load()
            return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that the first argument names; offer the nearest if there is none."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            known = self.list_commands(ctx)
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=known, ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line for each verb."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._line(ctx, name)) for name in self.list_commands(ctx)])

    def _line(self, ctx: click.Context, name: str) -> str:
        if verb := self._verbs.get(name):
            return verb.help
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=100) if command else ""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the verbs, or the options, that begin with what was typed."""
        return [
            *self._completed_verbs(ctx, incomplete),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def _completed_verbs(self, ctx: click.Context, incomplete: str) -> Iterator[CompletionItem]:
        for name in self.list_commands(ctx):
            if name.startswith(incomplete):
                verb = self._verbs.get(name)
                yield CompletionItem(name, help=verb.help if verb else None)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        ctx.color = wants_colour(os.environ)
        try:
            return super().invoke(ctx)
        except FairwindError as error:
            raise click.ClickException(visible(str(error))) from None
        except click.ClickException as error:
            # It may quote a name of the ledger, or a file.
            vars(error)["message"] = visible_lines(error.message)
            raise
