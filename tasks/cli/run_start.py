"""The command `run start`: what can be known of a run is checked before it is recorded."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from common import settings as settings_
from common.command_line.screen import Styled, echo, rewrite_line
from common.errors import FederationError, SettingError, WorkloadError
from common.settings import Settings
from common.workload_names import allowed_as, is_installed, not_allowed
from scheduler.ledger.bias_choice import choose_bias, is_open
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunStarted
from scheduler.ledger.round_size import choose_cohort, smaller_rounds
from scheduler.ledger.run_spec import RunSpec
from scheduler.status.drivers import COMMANDS, Drivers
from scheduler.status.names import agree
from scheduler.status.scores import first_figures
from tasks.cli.base import drivers_now, ledger_to_append, wake
from tasks.cli.figures import show_metrics
from tasks.cli.init_from import kept_if_started, without
from tasks.cli.options import given, run_options
from tasks.cli.run_file import change, make_spec, named, read_run

if TYPE_CHECKING:
    from scheduler.federation.federation import Federation
    from scheduler.federation.opening import FederationLedger
    from tasks.coordinator.run_check import CheckReply

_ANSWERS_WITHIN_S = 15.0


@click.command()
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
    spec = make_spec(without(named(entries, ())), file=file, given=options)
    ledger, ours = ledger_to_append(), settings_.load()
    _named(spec, entries, ledger.state())
    drivers = drivers_now()
    with ExitStack() as taken:
        if (model := entries.get("init_from")) is not None:
            blobs = Blobs(ours.folder / "blobs")
            blob = taken.enter_context(kept_if_started(model, ledger.state(), blobs))
            spec = spec.model_copy(update={"init_from": blob})
        reply = _check_workload(ours, spec, drivers=drivers)
        spec, chosen = (reply.spec, reply.chosen) if reply and reply.spec else (spec, "")
        if is_open(spec):
            spec, chosen = choose_bias(spec, clients=0, version_nbytes=None, free_nbytes=0)
        sized = ""
        with ledger.transaction() as tx:
            spec = _named(spec, entries, tx.state)
            enrolled = len(tx.state.enrolled())
            if "cohort" not in entries:
                spec, sized = choose_cohort(spec, clients=enrolled)
            tx.append(Draft(RunStarted(spec=spec), run=spec.id))
    woken = wake()
    for sentence in (
        chosen,
        sized,
        smaller_rounds(spec, clients=enrolled),
        _waiting(spec, ledger.state()),
    ):
        if sentence:
            echo(sentence)
    if (spec.buffer or 0) > enrolled:
        echo(Styled(_never_full(spec, enrolled), fg="yellow"), err=True)
    if not spec.is_async and spec.quorum > enrolled:
        echo(Styled(_no_quorum(spec, enrolled), fg="yellow"), err=True)
    within_s = _ANSWERS_WITHIN_S if woken and reply else 0
    _report_start(ledger, spec.id, within_s=within_s, drivers=drivers)


def _waiting(spec: RunSpec, state: Federation) -> str | None:
    """Return what waiting for cleaner hours costs, where the policy does."""
    if spec.policy != "fairwind" or not spec.policy_options["wait"]:
        return None
    from tasks.cli.waiting_price import price_of_waiting  # noqa: PLC0415 - loads the engine

    return price_of_waiting(spec, state)


def _never_full(spec: RunSpec, enrolled: int) -> str:
    """Return what is wrong with a buffer for more updates than there are clients."""
    return (
        f"--buffer {spec.buffer} is more than the {enrolled} enrolled clients, and each adds one "
        "update to a version: the buffer does not get full, and a version is made only once nobody "
        f"is left to add to it. Stop {spec.id} and give --buffer {enrolled} or less, or enrol more."
    )


def _no_quorum(spec: RunSpec, enrolled: int) -> str:
    """Return what is wrong with a quorum of more clients than there are."""
    clients = agree(enrolled, "client is", "clients are")
    return (
        f"A round needs the updates of {spec.quorum} clients (--quorum), and {enrolled} {clients} "
        f"enrolled, so none begins. Enrol more, or stop {spec.id} and give --quorum {enrolled}."
    )


def _named(spec: RunSpec, entries: dict[str, Any], state: Federation) -> RunSpec:
    """Return a run under the id that it will have.

    Raises:
        FederationError: If there is such a run already, or no client that could train.
    """
    if not state.enrolled():
        msg = "No client is enrolled, so no run was started. Add one with `fairwind enroll`."
        raise FederationError(msg)
    name = named(entries, state.runs)["id"]
    if name in state.runs:
        msg = f"There is a run {name!r} already, so none was started. Choose another --id."
        raise FederationError(msg)
    return spec.model_copy(update={"id": name})


def _check_workload(ours: Settings, spec: RunSpec, *, drivers: Drivers) -> CheckReply | None:
    """Let the coordinator check a run; return its answer. If there is none, this host decides.

    Raises:
        WorkloadError: If the run could not start.
    """
    reply = None
    if not drivers.fault and not drivers.coordinator.is_missing:
        from tasks.coordinator.run_check import ask  # noqa: PLC0415 - loads celery

        with _progress() as on_progress:
            reply = ask(ours, spec, patience_s=_ANSWERS_WITHIN_S, on_progress=on_progress)
    if reply is None:
        _check_here(ours, spec.workload)
    elif reply.fault:
        msg = f"No run was started, as the coordinator refused it. {reply.fault}"
        raise WorkloadError(msg)
    return reply


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show on a line of its own how far the first version is evaluated."""
    shown = False

    def show(done: int, num_examples: int) -> None:
        nonlocal shown
        text = f"Evaluating the first version: {done:,} of {num_examples:,} test examples"
        if sys.stderr.isatty():
            rewrite_line(text)
        elif not shown:
            echo(text, err=True)
        shown = True

    yield show
    if shown and sys.stderr.isatty():
        echo(err=True)


def _check_here(ours: Settings, workload: str) -> None:
    entry = allowed_as(workload, ours.workloads)
    if entry is None:
        msg = (
            f"No run was started. {not_allowed(workload, ours.workloads)} Or start the "
            f"coordinator first, which has settings of its own: {COMMANDS['coordinator']}"
        )
        raise WorkloadError(msg)
    if not is_installed(entry):
        msg = (
            f"No run was started: there is no module for the workload {workload!r} here. "
            "Install its package, or change to the folder that holds it."
        )
        raise WorkloadError(msg)


def _report_start(
    ledger: FederationLedger, run_id: str, *, within_s: float, drivers: Drivers
) -> None:
    """Print whether a new run has begun, is blocked, or waits for what does not run."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        current = ledger.state().runs[run_id]
        if current.blocked is not None:
            msg = (
                f"{run_id} is blocked: {current.blocked.text} It begins by itself once the cause "
                f"is removed; to end it: fairwind run stop {run_id}"
            )
            raise SettingError(msg)
        if current.version is not None:
            echo(f"{run_id} has begun: {current.num_params:,} parameters. Watch: fairwind status")
            if figures := first_figures(current):
                echo(f"Version 0    {show_metrics(figures)}")
            for sentence in drivers.sentences():
                echo(sentence)
            return
        time.sleep(0.05)
    missing = drivers.sentences() or [
        f"The coordinator has not answered. If it has stopped: {drivers.coordinator.command}"
    ]
    echo(f"{run_id} waits in the ledger, and begins by itself. {' '.join(missing)}")
