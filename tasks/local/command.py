"""The commands that bring up a whole federation on one machine: for real work, or to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from common.command_line.screen import echo
from common.errors import FairwindError
from tasks.local.arrangement import Sites, Wanted
from tasks.local.env_file import shown
from tasks.local.folder_lock import DEFAULT_FOLDER, folder_words, held_already, holder

_STOPPED = "Stopped. No process is left."

_PORT = click.IntRange(1, 65535)

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="Where the federation is kept.",
)


@click.command()
@click.option(
    "--sites",
    type=Sites(),
    default="",
    help="Sites whose workers run here, with their zones: lyon:FR,oslo:NO-NO1. Those of before "
    "are started, too.",
)
@click.option(
    "--workload",
    "workloads",
    multiple=True,
    help="A module of the current folder that may be trained, or several, separated by commas; "
    "beside those of FAIRWIND_WORKLOADS.",
)
@click.option("--port", type=_PORT, help="Of Celery Flower.  [default: 5555, or that of before]")
@click.option("--keep", is_flag=True, help="Return when all is up; `fairwind down` stops it.")
@folder_option
def up(
    *, sites: dict[str, str], workloads: tuple[str, ...], port: int | None, keep: bool, folder: Path
) -> None:
    """Run a federation on this machine: Redis, coordinator, beat, Flower, and sites.

    Your FAIRWIND_ settings hold. A later `fairwind up` in the same folder goes on where it was.
    """
    from tasks.local.background import start_in_background  # noqa: PLC0415 - other commands need none of it
    from tasks.local.up import Up  # noqa: PLC0415 - other commands need none of it

    with _one_line_errors():
        if not keep:
            names = (name for words in workloads for name in words.split(","))
            Up(folder, Wanted(sites, tuple(filter(None, names)), port)).run()
            return
        if running := holder(folder):
            if sites or workloads or port:
                raise held_already(folder, running)
            echo(
                f"It runs already (process {running.pid}). "
                f"Stop it: fairwind down{folder_words(folder)}"
            )
            return
        words = [f"--sites={','.join(f'{client}:{zone}' for client, zone in sites.items())}"]
        words += [f"--workload={name}" for name in workloads]
        words += [f"--port={port}"] if port else []
        start_in_background(folder, ["up", f"--folder={folder}", *words])
        echo(
            f"Everything runs in the background until `fairwind down{folder_words(folder)}`. "
            f"Log: {shown(folder / 'logs' / 'up.log')}"
        )


@click.command()
@folder_option
def down(*, folder: Path) -> None:
    """Stop what `fairwind up` started in a folder. Ledger, models and sites stay."""
    from tasks.local.background import stop  # noqa: PLC0415 - other commands need none of it

    with _one_line_errors():
        echo(_STOPPED if stop(folder) else f"No federation runs in {folder}.")


@click.command()
@click.option("--rounds", default=24, show_default=True, type=click.IntRange(min=1))
@click.option("--keep", is_flag=True, help="Leave everything up at the end, until Ctrl-C.")
@click.option("--fast", is_flag=True, help="Twice as fast: for tests rather than for eyes.")
@click.option("--port", type=_PORT, help="Of Celery Flower.  [default: 5555, or a free one]")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=DEFAULT_FOLDER / "demo",
    show_default=True,
    help="Where the federation lives; emptied first.",
)
def demo(*, rounds: int, keep: bool, fast: bool, port: int | None, folder: Path) -> None:
    """Train one model in six grids on this machine, with real processes, in minutes.

    With FAIRWIND_SIGNAL=neso the grids are six of Great Britain's, live; that needs the internet.
    """
    from tasks.local.demo import Demo  # noqa: PLC0415 - other commands need none of it
    from tasks.local.scene import chosen_scene  # noqa: PLC0415 - other commands need none of it

    with _one_line_errors():
        scene = chosen_scene()
        Demo(folder, scene.fast() if fast else scene, rounds=rounds, port=port).play(keep=keep)
        if keep:
            echo(_STOPPED)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """End with one line for an error of ours, and quietly where everything was to be stopped."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as ended:  # by Ctrl-C or SIGTERM
        echo(_STOPPED)
        raise SystemExit(130 if isinstance(ended, KeyboardInterrupt) else ended.code) from None
    except FairwindError as error:
        echo()
        raise click.ClickException(str(error)) from None
    except OSError as error:
        echo()
        place = f" at {error.filename}" if error.filename else ""
        msg = (
            f"The system refused a file or a connection{place}: {error.strerror or error}. "
            "Nothing of this command runs any more. Repair that, or name another --folder."
        )
        raise click.ClickException(msg) from None
