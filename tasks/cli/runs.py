"""Commands about runs: start, stop, watch, and what would happen now."""

from __future__ import annotations

import time
from typing import Any

import click
from pydantic import ValidationError

from common import settings as settings_
from common.errors import FederationError, SettingError
from common.messages import Hyperparameters
from common.units import show_duration, show_mass
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.ledger import Ledger
from scheduler.ledger.run_spec import RunSpec, ServerOptimizerSpec
from scheduler.policies import policy_options
from scheduler.status.view import find_run, summary
from tasks.cli.base import as_json, ledger_at_hand, print_json, print_table, view_at_hand, wake
from tasks.cli.figures import show_avoided, show_score, show_value
from tasks.cli.look import print_status
from tasks.cli.options import run_options, training_options

_OPENS_WITHIN_S = 15.0


@click.group()
def run() -> None:
    """Start, stop and look at runs."""


@run.command()
@click.argument("workload")
@training_options
@run_options
def start(
    workload: str, run_id: str | None, server_option: tuple[str, ...], **options: Any
) -> None:
    """Start a run of WORKLOAD: a shipped name, or an import path of yours."""
    if not any(options[budget] for budget in ("rounds", "hours", "grams")):
        msg = "A run must know when to end: give --rounds, --hours or --grams."
        raise SettingError(msg)
    options["policy_options"] = policy_options(
        options["policy"], _pairs(options.pop("policy_option"))
    )
    ledger = ledger_at_hand()
    with ledger.transaction() as tx:
        if not tx.state.clients:
            msg = (
                "Nobody is enrolled, so there is nobody to train. `fairwind enroll` adds a client."
            )
            raise FederationError(msg)
        spec = _spec(workload, run_id or _new_id(tx.state, workload), server_option, options)
        if spec.id in tx.state.runs:
            msg = f"There is a run {spec.id!r} already, so none was started. Choose another --id."
            raise FederationError(msg)
        tx.append(Draft("run.started", run=spec.id, body={"spec": spec.model_dump(mode="json")}))
    woken = wake()
    _report_start(ledger, spec.id, woken=woken)


def _spec(
    workload: str, run_id: str, server_option: tuple[str, ...], options: dict[str, Any]
) -> RunSpec:
    try:
        training = {name: options.pop(name) for name in Hyperparameters.model_fields}
        server = ServerOptimizerSpec.model_validate(
            {"name": options.pop("server_optimizer"), "options": _pairs(server_option)}
        )
        return RunSpec(
            id=run_id, workload=workload, hyperparameters=Hyperparameters(**training),
            server_optimizer=server, **options,
        )  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        where = "--" + str(first["loc"][-1]).replace("_", "-") if first["loc"] else "The run"
        text = first["msg"].removeprefix("Value error, ")
        msg = f"{where} does not fit: {text}. No run was started."
        raise SettingError(msg) from None


def _pairs(options: tuple[str, ...]) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in (o.split("=") for o in options)}
    except ValueError:
        msg = f"The option {' '.join(options)} is not name=number, e.g. learning_rate=0.01."
        raise SettingError(msg) from None


def _new_id(state: Federation, workload: str) -> str:
    stem = workload.replace(":", "-")
    number = 1
    while f"{stem}-{number}" in state.runs:
        number += 1
    return f"{stem}-{number}"


def _report_start(ledger: Ledger, run_id: str, *, woken: bool) -> None:
    """Say what became of a new run: begun, impossible, or waiting for a coordinator."""
    deadline = time.monotonic() + (_OPENS_WITHIN_S if woken else 0)
    while time.monotonic() < deadline:
        current = ledger.state().runs[run_id]
        if current.ended_at is not None and current.end_reason == "failed":
            texts = [e.body["text"] for e in ledger.events(run=run_id) if e.kind == "run.ended"]
            raise SettingError(texts[0])
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
    with ledger_at_hand().transaction() as tx:
        current = find_run(tx.state, run_id)
        if current.ended_at is not None:
            msg = f"{run_id} has ended already, so there is nothing to stop."
            raise FederationError(msg)
        tx.append(Draft("run.stop_requested", run=run_id))
    note = "" if wake() else " No coordinator can be reached; it ends when one starts."
    click.echo(f"{run_id} is asked to stop.{note}")


@run.command(name="list")
@as_json
def list_runs(*, as_json: bool) -> None:
    """List all runs."""
    rows = [summary(r) for r in ledger_at_hand().state().runs.values()]
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
@as_json
def show(run_id: str, *, as_json: bool) -> None:
    """Show one run: its rounds, its figures, and where its model is."""
    ours = settings_.load()
    state = ledger_at_hand().state()
    current = find_run(state, run_id)
    seen = view_at_hand(state, run_id)
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
    if current.ended_at is not None:
        click.echo(
            f"Models       {ours.folder / 'runs' / run_id}/best.safetensors, last.safetensors"
        )
