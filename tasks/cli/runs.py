"""Commands about runs: start, stop, list and show them."""

from __future__ import annotations

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json, print_table
from common.errors import FederationError
from common.units import show_duration, show_mass
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunStopRequested
from scheduler.status.summary import summary
from scheduler.status.view import find_run
from tasks.cli.base import current_view, ledger_to_append, ledger_to_read, wake
from tasks.cli.figures import show_avoided, show_score, show_value
from tasks.cli.run_file import to_toml
from tasks.cli.run_start import start
from tasks.cli.status import print_status


@click.group()
def run() -> None:
    """Start, stop and look at runs."""


run.add_command(start)


@run.command()
@click.argument("run_id")
def stop(run_id: str) -> None:
    """End a run now. Its last and its best version are kept."""
    with ledger_to_append().transaction() as tx:
        current = find_run(tx.state, run_id)
        if current.ended_at is not None:
            msg = f"{run_id} has ended already, so there is nothing to stop."
            raise FederationError(msg)
        tx.append(Draft(RunStopRequested(), run=run_id))
    note = "" if wake() else " No coordinator can be reached; it ends when one starts."
    click.echo(f"{run_id} will stop.{note}")


@run.command(name="list")
@as_json
def list_runs(*, as_json: bool) -> None:
    """List all runs."""
    rows = [summary(r) for r in ledger_to_read().state().runs.values()]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["run", "workload", "status", "rounds", "score", "emitted", "avoided"],
        [
            [
                r["id"], r["workload"], r["status"],
                f"{r['rounds_done']}/{r['rounds_total'] or '-'}",
                show_score(r), show_mass(r["emitted_gco2eq"]), show_avoided(r),
            ]
            for r in rows
        ],
    )  # fmt: skip


@run.command()
@click.argument("run_id")
@click.option("--toml", "as_toml", is_flag=True, help="Print it as a file for `run start --file`.")
@as_json
def show(run_id: str, *, as_toml: bool, as_json: bool) -> None:
    """Show one run: its rounds, its figures, and where its model is."""
    ours = settings_.load()
    state = ledger_to_read().state()
    current = find_run(state, run_id)
    if as_toml:
        click.echo(to_toml(current.spec), nl=False)
        return
    seen = current_view(state, run_id)
    if as_json:
        spec = current.spec.model_dump(mode="json")
        print_json({"spec": spec, "run": seen["run"], "rounds": seen["rounds"]})
        return
    print_status(seen)
    print_table(
        ["round", current.spec.metric, "emitted", "run now", "took", "clients"],
        [
            [
                str(r["round"]), show_value(current.spec.metric, r["value"]),
                show_mass(r["gco2eq"]),
                "unknown" if r["baseline_gco2eq"] is None else show_mass(r["baseline_gco2eq"]),
                show_duration(r["wall_s"]), ", ".join(r["cohort"]),
            ]
            for r in seen["rounds"]
            if r["ended"]
        ],
    )  # fmt: skip
    exported = ours.folder / "runs" / run_id
    if current.ended_at is not None and (exported / "best.safetensors").exists():
        click.echo(f"Models       {exported}/best.safetensors, last.safetensors")
