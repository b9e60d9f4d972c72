"""The command `run list`: all runs with their figures, in the order one wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import click

from common.command_line.output import as_json, print_json
from common.command_line.screen import echo
from common.command_line.table import print_table
from common.units import show_mass, show_share
from scheduler.status.summary import summary
from scheduler.status.which_run import START_A_RUN
from tasks.cli.base import ledger_to_read
from tasks.cli.figures import show_best

Row = Mapping[str, Any]


class Column(NamedTuple):
    """A column of the list.

    Attributes:
        key: The figure by which it sorts.
        show: Its text.
        falling: Whether the largest figure comes first; the best run is then at the top.
    """

    key: str
    show: Callable[[Row], str]
    falling: bool = False


def show_avoided_grams(row: Row) -> str:
    """Return what a run avoided, without the delay."""
    avoided, share = row["avoided_gco2eq"], row["avoided_share"]
    if avoided is None or share is None:
        return "unknown"
    return f"{show_share(share)} = {show_mass(avoided)}"


def show_rounds(row: Row) -> str:
    """Return how many rounds of how many are closed."""
    return f"{row['rounds_done']}/{row['rounds_total'] or '-'}"


COLUMNS: Mapping[str, Column] = {
    "run": Column("id", lambda row: str(row["id"])),
    "workload": Column("workload", lambda row: str(row["workload"])),
    "policy": Column("policy", lambda row: str(row["policy"])),
    "state": Column("status", lambda row: str(row["status"])),
    "rounds": Column("rounds_done", show_rounds, falling=True),
    "metric": Column("best", show_best, falling=True),
    "emitted": Column("emitted_gco2eq", lambda row: show_mass(row["emitted_gco2eq"])),
    "avoided": Column("avoided_gco2eq", show_avoided_grams, falling=True),
}
"""In their order, named as `--sort` takes them. *metric* is the score of the best version."""


@click.command(name="list")
@click.option(
    "--sort",
    type=click.Choice([*COLUMNS, "started"]),
    default="started",
    show_default=True,
    help="By which column: text from a to z, grams from the least, the rest from the most.",
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@as_json
def list_runs(*, sort: str, reverse: bool, as_json: bool) -> None:
    """List all runs: state, rounds, best score, emissions, what waiting avoided."""
    found = [summary(run) for run in ledger_to_read().state().runs.values()]
    rows = sorted_rows(found, COLUMNS.get(sort), reverse=reverse)
    if as_json:
        print_json(rows)
    elif not rows:
        echo(f"No run yet. {START_A_RUN}")
    else:
        cells = [[column.show(row) for column in COLUMNS.values()] for row in rows]
        print_table(list(COLUMNS), cells)


def sorted_rows(rows: Sequence[Row], by: Column | None, *, reverse: bool) -> list[Row]:
    """Return rows by one column, unknown figures last; without a column in their order."""
    if by is None:
        return [*reversed(rows)] if reverse else [*rows]
    known = [row for row in rows if row[by.key] is not None]
    unknown = [row for row in rows if row[by.key] is None]
    return (
        sorted(known, key=lambda row: _rank(row, by.key), reverse=by.falling != reverse) + unknown
    )


def _rank(row: Row, key: str) -> Any:
    """Return a value that sorts, so that the best run is first."""
    value = row[key]
    return -value if key == "best" and row["lower_is_better"] else value
