"""The command `run compare`: what two runs cost for the same score, and how they differ."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from typing import Any

import click

from common.command_line.output import as_json, print_json
from common.command_line.screen import Styled, echo
from common.command_line.table import print_table
from common.csv_cell import csv_cell
from common.errors import SettingError
from common.units import show_duration, show_mass
from scheduler.federation.run import Run
from scheduler.status.comparison import Comparison, Point, compare
from scheduler.status.milestones import milestones
from scheduler.status.summary import summary
from scheduler.status.which_run import find_run
from tasks.cli.base import ledger_to_read
from tasks.cli.completion import complete_run
from tasks.cli.figures import show_best, show_value
from tasks.cli.run_list import show_avoided_grams, show_rounds

_H_S = 3600


@click.command(name="compare")
@click.argument("first", metavar="RUN", shell_complete=complete_run)
@click.argument("second", metavar="RUN", shell_complete=complete_run)
@click.option("--csv", "as_csv", is_flag=True, help="Print every point of both curves as CSV.")
@as_json
def compare_runs(first: str, second: str, *, as_csv: bool, as_json: bool) -> None:
    """Compare two runs: the metric against grams and hours, and what they were given."""
    if as_csv and as_json:
        msg = "--csv and --json exclude each other, so nothing was printed. Give one of them."
        raise SettingError(msg)
    state = ledger_to_read().state()
    runs = find_run(state, first), find_run(state, second)
    found = compare(*runs)
    if as_json:
        print_json({"runs": [summary(run) for run in runs], **found.to_dict()})
    elif as_csv:
        _print_csv(found)
    else:
        _print_figures(*runs)
        _print_curves(found)
        _print_differences(found)


def _print_figures(first: Run, second: Run) -> None:
    rows = [summary(first), summary(second)]
    figures = {
        "state": [row["status"] for row in rows],
        "rounds": [show_rounds(row) for row in rows],
        "best": [show_best(row) for row in rows],
        "emitted": [show_mass(row["emitted_gco2eq"]) for row in rows],
        "avoided": [show_avoided_grams(row) for row in rows],
    }
    print_table(["", first.id, second.id], [[name, *cells] for name, cells in figures.items()])


def _print_curves(found: Comparison) -> None:
    """Print what each level of the metric cost either run: grams, and hours on the grid clock."""
    echo()
    if found.metric is None:
        echo("The runs have no metric in common, so their scores cannot be compared.")
        return
    if not found.same_workload:
        said = "The runs train different workloads: equal scores do not mean equally good."
        echo(Styled(said, fg="yellow"))
    rows = [
        [show_value(found.metric, each.level), *_cost(each.first), *_cost(each.second)]
        for each in milestones(found)
    ]
    if not rows:
        echo(f"No version of either run has a score of {found.metric} yet.")
        return
    names = found.first.run, found.second.run
    header = [found.metric, *(f"{run}: {what}" for run in names for what in ("emitted", "after"))]
    print_table(header, rows)
    for each in (found.first, found.second):
        if each.unknown_wh > 0:
            echo(f"The emissions of part of the work of {each.run} are unknown.")


def _cost(point: Point | None) -> tuple[str, str]:
    if point is None:
        return "not reached", ""
    return show_mass(point.gco2eq), show_duration(point.hours * _H_S)


def _print_differences(found: Comparison) -> None:
    echo()
    if not found.differences:
        echo("Both runs were started with the same options.")
        return
    rows = [[each.name, _show(each.first), _show(each.second)] for each in found.differences]
    print_table(["option", found.first.run, found.second.run], rows)


def _show(value: Any) -> str:
    return "-" if value is None else str(value)


def _print_csv(found: Comparison) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(map(csv_cell, ["run", "round", "hours", "gco2eq", found.metric or "value"]))
    writer.writerows(map(csv_cell, line) for line in _lines(found))


def _lines(found: Comparison) -> Iterator[list[object]]:
    for run in (found.first, found.second):
        for point in run.points:
            yield [run.run, point.round, point.hours, point.gco2eq, point.value]
