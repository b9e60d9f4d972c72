"""The commands `run stop`, `run pause` and `run resume`: each records what a user wants."""

from __future__ import annotations

from collections.abc import Callable

import click

from common.command_line.screen import echo
from common.errors import FederationError
from scheduler.federation.run import Run
from scheduler.ledger.event import Draft
from scheduler.ledger.events import Payload, RunPaused, RunResumed, RunStopRequested
from scheduler.status.which_run import active_run, find_run
from tasks.cli.base import ledger_to_append, wake
from tasks.cli.completion import complete_active_run

_AWAY = "No coordinator can be reached"


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=complete_active_run)
def stop(run_id: str | None) -> None:
    """End RUN, or the only active run, now. Its last and its best version are kept."""
    current = _record(run_id, "stopped", RunStopRequested(), _may_stop)
    echo(f"{current.id} will stop.{'' if wake() else f' {_AWAY}; it ends when one starts.'}")


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=complete_active_run)
def pause(run_id: str | None) -> None:
    """Let RUN, or the only active run, begin no round until `run resume`.

    Its open round is finished. Its hours go on: a run with --hours ends when they are over.
    """
    current = _record(run_id, "paused", RunPaused(), _may_pause)
    number = current.round_under_way.number if current.round_under_way else None
    first = f"Round {number} is finished first" if number else "No round starts"
    if current.spec.is_async:
        first = "No client is invited; those that train finish first"
    echo(f"{current.id} is paused. {first}. To go on: fairwind run resume {current.id}")


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=complete_active_run)
def resume(run_id: str | None) -> None:
    """Let RUN, or the only active run, go on after `run pause`."""
    current = _record(run_id, "resumed", RunResumed(), _may_resume)
    echo(f"{current.id} goes on.{'' if wake() else f' {_AWAY}; it waits until one starts.'}")


def _record(
    run_id: str | None, verb: str, payload: Payload, fault: Callable[[Run], str | None]
) -> Run:
    """Record what a user wants of a run, and return the run as it was then.

    Raises:
        FederationError: If there is no such run, or its state does not allow this.
    """
    with ledger_to_append().transaction() as tx:
        current = find_run(tx.state, run_id) if run_id else active_run(tx.state, verb)
        wrong = "has ended already" if current.ended_at is not None else fault(current)
        if wrong is not None:
            msg = f"{current.id} {wrong}, so nothing was {verb}."
            raise FederationError(msg)
        tx.append(Draft(payload, run=current.id))
    return current


def _may_stop(run: Run) -> str | None:
    return "is about to stop already" if run.stop_requested else None


def _may_pause(run: Run) -> str | None:
    return "is paused already" if run.paused else _may_stop(run)


def _may_resume(run: Run) -> str | None:
    return None if run.paused else "is not paused"
