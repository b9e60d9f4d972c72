"""The commands `run show` and `run export`: a run's rounds, its figures, its models."""

from __future__ import annotations

from typing import Any

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json
from common.command_line.table import print_table
from common.errors import FederationError
from common.units import show_duration, show_mass
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run
from scheduler.ledger.blobs import Blobs
from scheduler.status.exports import BEST, LAST
from scheduler.status.which_run import START_A_RUN, find_run, newest_run
from tasks.cli.base import current_view, ledger_to_read
from tasks.cli.completion import complete_run
from tasks.cli.figures import show_value
from tasks.cli.run_toml import to_toml
from tasks.cli.status import print_status

_SHOWN_PROBLEMS = 10


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=complete_run)
@click.option("--toml", "as_toml", is_flag=True, help="Print it as a file for `run start --file`.")
@as_json
def show(run_id: str | None, *, as_toml: bool, as_json: bool) -> None:
    """Show RUN, or the newest run: its rounds, its figures, what failed, where its model is."""
    state = ledger_to_read().state()
    current = _chosen(state, run_id)
    if as_toml:
        click.echo(to_toml(current.spec), nl=False)
        return
    seen = current_view(state, current.id)
    if as_json:
        spec = current.spec.model_dump(mode="json")
        shown = {name: seen[name] for name in ("verdict", "explanation", "run", "rounds")}
        print_json({"spec": spec, **shown})
        return
    if run_id is None:
        click.echo(f"Run          {current.id}")
    print_status(seen, of_other_runs=False)
    _print_rounds(seen["rounds"], current.spec.metric)
    _print_problems(seen["run"]["problems"])
    if seen["run"]["model"]:
        click.echo(f"Models       {seen['run']['model']}, {LAST} beside it")


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=complete_run)
def export(run_id: str | None) -> None:
    """Write the best and the last model of RUN, or of the newest run, to safetensors files."""
    from tasks.coordinator.export import export_models  # noqa: PLC0415 - this command alone

    home = settings_.load().folder
    current = _chosen(ledger_to_read().state(), run_id)
    if current.version is None:
        msg = (
            f"{current.id} has no model yet, so there is nothing to export. See `fairwind status`."
        )
        raise FederationError(msg)
    folder = export_models(Blobs(home / "blobs"), home, current)
    click.echo(f"Exported {current.id}: {folder}/{BEST}, {LAST}")


def _chosen(state: Federation, run_id: str | None) -> Run:
    """Return the run that is named, or the newest.

    Raises:
        FederationError: If there is none.
    """
    current = find_run(state, run_id) if run_id else newest_run(state)
    if current is None:
        msg = f"There is no run yet. {START_A_RUN}"
        raise FederationError(msg)
    return current


def _print_rounds(rounds: list[dict[str, Any]], metric: str) -> None:
    print_table(
        ["round", metric, "emitted", "run now", "took", "clients"],
        [
            [
                str(r["round"]), show_value(metric, r["value"]), show_mass(r["gco2eq"]),
                "unknown" if r["baseline_gco2eq"] is None else show_mass(r["baseline_gco2eq"]),
                show_duration(r["wall_s"]), ", ".join(r["cohort"]),
            ]
            for r in rounds
            if r["ended"]
        ],
    )  # fmt: skip


def _print_problems(problems: list[dict[str, Any]]) -> None:
    """Print what went wrong at the clients, the most troubled ones first."""
    for n, problem in enumerate(problems[:_SHOWN_PROBLEMS]):
        click.echo(f"{'' if n else 'No update':<12} {problem['sentence']}.")
    if len(problems) > _SHOWN_PROBLEMS:
        more = len(problems) - _SHOWN_PROBLEMS
        click.echo(f"{'':<12} and of {more} more: --json has them")
