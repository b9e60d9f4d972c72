"""The command `run export`: a run's models as files, or its figures for other tools."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from common import settings as settings_
from common.command_line.screen import echo
from common.errors import FederationError, SettingError
from common.private_files import for_others
from scheduler.export.followed import Followed
from scheduler.federation.opening import FederationReader
from scheduler.ledger.blobs import Blobs
from scheduler.status.exports import BEST, LAST
from tasks.cli.base import ledger_to_read
from tasks.cli.chosen import chosen_run
from tasks.cli.completion import complete_run
from tasks.cli.export.csv_folder import CsvFolder
from tasks.cli.export.mlflow_run import MlflowRun
from tasks.cli.export.target import Target
from tasks.cli.export.tensorboard_log import TensorBoardLog

_LOOKS_EVERY_S = 1.0

_REST = 4
"""It pauses so many times as long as writing took."""

_Folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=complete_run)
@click.option(
    "--csv",
    "csv_folder",
    type=_Folder,
    metavar="DIR",
    help="Write rounds.csv, sites.csv, parameters.csv and emissions.csv there.",
)
@click.option(
    "--mlflow",
    "store",
    metavar="STORE",
    help="Log to this MLflow server, http://..., or SQLite file, mlflow.db.",
)
@click.option(
    "--tensorboard",
    "logdir",
    type=_Folder,
    metavar="DIR",
    help="Write an event file for tensorboard --logdir DIR.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends; Ctrl-C ends it, too.")
def export(
    run_id: str | None, *, csv_folder: Path | None, store: str | None, logdir: Path | None,
    follow: bool,
) -> None:  # fmt: skip
    """Write the best and the last model of RUN, or of the newest run, to safetensors files.

    With --csv, --mlflow or --tensorboard, write its figures there instead.
    """
    targets: list[Target] = []
    if csv_folder is not None:
        targets.append(CsvFolder(csv_folder))
    if store is not None:
        targets.append(MlflowRun(store))
    if logdir is not None:
        targets.append(TensorBoardLog(logdir))
    if targets:
        _export_figures(run_id, targets, follow=follow)
        return
    if follow:
        msg = (
            "--follow exports figures as they come, and it is not said where to, so nothing was "
            "exported. Add --csv, --mlflow or --tensorboard."
        )
        raise SettingError(msg)
    _export_models(run_id)


def _export_models(run_id: str | None) -> None:
    from tasks.coordinator.export import export_models  # noqa: PLC0415 - few verbs copy models

    home = settings_.load().folder
    current = chosen_run(ledger_to_read().state(), run_id)
    if current.version is None:
        msg = (
            f"{current.id} has no model yet, so there is nothing to export. See `fairwind status`."
        )
        raise FederationError(msg)
    folder = export_models(Blobs(home / "blobs"), home, current)
    echo(f"Exported {current.id}: {folder}/{BEST}, {LAST}")


def _export_figures(run_id: str | None, targets: Sequence[Target], *, follow: bool) -> None:
    ledger = ledger_to_read()
    name = chosen_run(ledger.state(), run_id).id
    try:
        with suppress(KeyboardInterrupt), for_others():
            _write(ledger, name, targets, follow=follow)
    finally:
        for target in targets:
            target.close()
    for target in targets:
        echo(f"Exported {name} to {target.describe()}")


def _write(ledger: FederationReader, name: str, targets: Sequence[Target], *, follow: bool) -> None:
    """Write what the ledger has of a run; with `follow`, all that comes until it ends.

    The ledger is read only: no round waits for this.
    """
    followed, seq = Followed(), 0
    while True:
        begun = time.monotonic()
        events = list(ledger.events(seq, run=name))
        if events or not seq:
            seq = events[-1].seq
            state = ledger.state()
            followed.see(events, state.runs[name])
            for target in targets:
                target.write(followed, state, state.runs[name])
        if followed.ended or not follow:
            return
        time.sleep(max(_LOOKS_EVERY_S, _REST * (time.monotonic() - begun)))
