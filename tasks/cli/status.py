"""The command `status`: the verdict on a run, in a few lines."""

from __future__ import annotations

import sys
from typing import Any

import click

from common.command_line.output import as_json, print_json
from common.command_line.screen import Styled, echo
from common.units import show_mass
from tasks.cli.base import current_view, ledger_to_read
from tasks.cli.completion import complete_run
from tasks.cli.figures import show_avoided, show_progress
from tasks.cli.watch import watch_status

_REFUSED = 3
"""Kinds of refused messages that are shown; `--json` has all."""


@click.command()
@click.option(
    "--run", "run_id", shell_complete=complete_run, help="Which run; the newest if left out."
)
@click.option("--watch", is_flag=True, help="Show it again whenever it changes; Ctrl-C ends.")
@as_json
def status(run_id: str | None, *, watch: bool, as_json: bool) -> None:
    """Show the state of the federation and of its newest run."""
    ledger = ledger_to_read()
    seen = current_view(ledger.state(), run_id)
    if as_json:
        print_json(seen)
    elif watch and sys.stdout.isatty():
        watch_status(lambda: current_view(ledger.state(), run_id), print_status)
    else:
        print_status(seen)


def print_status(seen: dict[str, Any], *, of_other_runs: bool = True) -> None:
    """Print a view's verdict and its run's figures, below what is wrong beside the run."""
    print_notices(seen, of_other_runs=of_other_runs)
    echo(Styled(seen["verdict"], bold=True))
    echo(f"Processes    {seen['drivers']['line']}")
    current = seen["run"]
    if current is None:
        return
    echo(show_progress(current))
    if current["ends_early"]:
        echo(f"Ends early   {current['ends_early']}")
    for note in current["notes"]:
        echo(Styled(note, fg="yellow"))
    echo(f"Avoided      {show_avoided(current)}")
    if current["uncounted_gco2eq"] > 0:
        spent = show_mass(current["uncounted_gco2eq"])
        echo(f"In no model  {spent} besides: updates that did not count, evaluations alone")


def print_notices(
    seen: dict[str, Any], *, of_other_runs: bool = True, above_verdict: bool = True
) -> None:
    """Print what is wrong beside the run that a view shows.

    Args:
        seen: The view.
        of_other_runs: Also what is wrong with other runs.
        above_verdict: The view's verdict follows, so what it says is left out.
    """
    others = seen["beside"] if of_other_runs else []
    said = seen["verdict"] if above_verdict else None
    drivers = [each for each in seen["drivers"]["sentences"] if each != said]
    refused = [each["sentence"] for each in seen["refused"][:_REFUSED]]
    for notice in [*drivers, *others, *filter(None, [seen["notice"]]), *refused]:
        echo(Styled(notice, fg="yellow"))
