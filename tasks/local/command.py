"""The command that shows the whole of Fairwind on one machine."""

from __future__ import annotations

from pathlib import Path

import click

from common.errors import FairwindError
from tasks.local.demo import Demo
from tasks.local.scene import chosen_scene


@click.command()
@click.option("--rounds", default=12, show_default=True, type=click.IntRange(min=1))
@click.option("--keep", is_flag=True, help="Leave everything up at the end, until Ctrl-C.")
@click.option("--port", default=5555, show_default=True, help="Of Celery Flower.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(".fairwind/demo"),
    show_default=True,
    help="Where the federation lives; emptied first.",
)
def demo(*, rounds: int, keep: bool, port: int, folder: Path) -> None:
    """Train one model in six grids on this machine, with real processes, in about a minute.

    With FAIRWIND_SIGNAL=neso the grids are six of Great Britain's, live; that needs the internet.
    """
    try:
        Demo(folder, chosen_scene(), rounds=rounds, port=port).play(keep=keep)
    except KeyboardInterrupt:
        click.echo("\nStopped on request. No process is left.")
        raise SystemExit(130) from None
    except FairwindError as error:
        click.echo()
        raise click.ClickException(str(error)) from None
