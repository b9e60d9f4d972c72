"""The command `try`: a workload is tried on this machine before anybody waits for it."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json
from common.command_line.screen import Styled, echo
from common.errors import SettingError
from common.settings.names import PREFIX
from common.workload_names import allowed_as
from scheduler.ledger.run_spec import RunSpec
from tasks.cli.options import given, run_options
from tasks.cli.run_file import change, make_spec, named, read_run

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command(name="try")
@click.argument("workload", required=False)
@click.option("--client", required=True, help="Whose data to train on.")
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="A run in TOML, to try it."
)
@run_options
@as_json
@click.pass_context
def try_out(
    context: click.Context,
    /,
    workload: str | None,
    client: str,
    file: Path | None,
    *,
    as_json: bool,
    **_: Any,
) -> None:
    """Try WORKLOAD here: one training step, its update, an evaluation, and what a round costs.

    Takes the options of `run start`, and needs no Redis. Starts no run, and keeps nothing.
    """
    spec = _spec(context, workload, file)
    if not settings_.load().partition:  # the shipped workloads split their data; here nobody shares
        os.environ[f"{PREFIX}PARTITION"] = client
        settings_.load.cache_clear()
    if not as_json:
        echo(f"Trying {spec.workload} as {client}, on this machine alone")
    from tasks.cli.trial import Trial  # noqa: PLC0415 - loads torch

    ours, typed = settings_.load(), workload or spec.workload
    # A run names a Flower app without the path to its folder; FAIRWIND_WORKLOADS may have it.
    entry = typed if "/" in typed else allowed_as(typed, ours.workloads) or typed
    found = []
    with TemporaryDirectory(prefix="fairwind-try-") as folder:
        for each in Trial(spec, entry, client, ours, Path(folder)).parts():
            found.append(each)
            if not as_json:
                level = Styled(f"{each.level:<8}", fg=_COLOURS[each.level])
                echo(level, f"{each.name:<12}{each.text}")
    if as_json:
        print_json([each._asdict() for each in found])
    if any(each.level == "error" for each in found):
        raise SystemExit(1)
    if not as_json:
        same = " and the options of this trial" if given(context) else ""
        run = f"--file {file}" if file else f"{spec.workload} --rounds 10"
        echo(f"Next: fairwind run start {run}{same}")


def _spec(context: click.Context, workload: str | None, file: Path | None) -> RunSpec:
    """Return the run to try; one round if nothing says when it ends.

    Raises:
        SettingError: If it does not fit, or no workload is named.
    """
    options = given(context) | ({"workload": workload} if workload else {})
    entries = {"rounds": 1} | change(read_run(file) if file else {}, options)
    if not entries.get("workload"):
        msg = (
            "No workload is named, so nothing was tried. Name it as the first argument, or as "
            "workload in the run file."
        )
        raise SettingError(msg)
    if entries.pop("init_from", None) is not None:
        msg = "A trial begins from a new model, so nothing was tried. Leave out --init-from."
        raise SettingError(msg)
    return make_spec(named(entries, ()), file=file, given=options)
