"""Commands about runs: start, stop, list and show them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import click

from common import settings as settings_
from common.command_line.output import as_json, print_json, print_table
from common.errors import FederationError, SettingError
from common.units import show_duration, show_mass
from scheduler.federation.opening import FederationLedger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunStarted, RunStopRequested
from scheduler.status.summary import summary
from scheduler.status.view import find_run
from tasks.cli.base import current_view, ledger_to_append, ledger_to_read, wake
from tasks.cli.figures import show_avoided, show_score, show_value
from tasks.cli.options import given, run_options
from tasks.cli.run_file import change, make_spec, read_run, to_toml
from tasks.cli.status import print_status

_OPENS_WITHIN_S = 15.0


@click.group()
def run() -> None:
    """Start, stop and look at runs."""


@run.command()
@click.argument("workload", required=False)
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A run in TOML; what stands on the command line wins over it.",
)
@run_options
@click.pass_context
def start(context: click.Context, /, workload: str | None, file: Path | None, **_: Any) -> None:
    """Start a run of WORKLOAD: a shipped name, or an import path of yours."""
    options = given(context) | ({"workload": workload} if workload else {})
    entries = change(read_run(file) if file else {}, options)
    if not entries.get("workload"):
        msg = (
            "No workload is named, so no run was started. Name it as the first argument, or as "
            "workload in the run file."
        )
        raise SettingError(msg)
    # Checked before the ledger is locked: a policy may be code of the user's.
    spec = make_spec(_named(entries, ()), file=file, given=options)
    ledger = ledger_to_append()
    with ledger.transaction() as tx:
        if not tx.state.clients:
            msg = "No client is enrolled, so no run was started. Add one with `fairwind enroll`."
            raise FederationError(msg)
        spec = spec.model_copy(update={"id": _named(entries, tx.state.runs)["id"]})
        if spec.id in tx.state.runs:
            msg = f"There is a run {spec.id!r} already, so none was started. Choose another --id."
            raise FederationError(msg)
        tx.append(Draft(RunStarted(spec=spec), run=spec.id))
    woken = wake()
    _report_start(ledger, spec.id, woken=woken)


def _named(entries: Mapping[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """Return a run file's entries with an id: its own, or the workload's name and a free number."""
    stem = str(entries["workload"]).replace(":", "-")
    free = next(name for n in count(1) if (name := f"{stem}-{n}") not in taken)
    return {"id": free, **entries}


def _report_start(ledger: FederationLedger, run_id: str, *, woken: bool) -> None:
    """Print whether a new run has begun, is blocked, or waits for a coordinator."""
    deadline = time.monotonic() + (_OPENS_WITHIN_S if woken else 0)
    while time.monotonic() < deadline:
        current = ledger.state().runs[run_id]
        if current.blocked is not None:
            msg = (
                f"{run_id} is blocked: {current.blocked.text} It begins by itself once that is "
                f"mended; to end it: fairwind run stop {run_id}"
            )
            raise SettingError(msg)
        if current.version is not None:
            click.echo(
                f"{run_id} has begun: {current.num_params} parameters. Watch: fairwind status"
            )
            return
        time.sleep(0.05)
    click.echo(
        f"{run_id} waits in the ledger, because no coordinator has answered. It begins when one "
        "runs: celery -A tasks worker -Q coordinator,aggregation"
    )


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
