"""The command `report`: energy and emissions as a document for an auditor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click

from common.clock import wall_now
from common.command_line.output import as_json, print_json
from common.command_line.screen import echo
from common.errors import FederationError, LedgerError
from common.private_files import for_others
from common.visible import escaped_json
from scheduler.report.page import to_html
from scheduler.report.plain import (
    bookings_csv,
    figures_csv,
    months_csv,
    sites_by_month_csv,
    to_json,
)
from scheduler.report.report import Provenance, Report, Scope, make_report
from scheduler.report.summary import headline
from tasks.cli.base import ledger_to_read
from tasks.cli.completion import complete_run

_ALL = ("html", "csv", "json")


@click.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="fairwind-report",
    show_default=True,
    help="The folder to write into.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(_ALL),
    multiple=True,
    default=_ALL,
    help="Only this; may be given twice.",
)
@click.option("--since", type=click.DateTime(), help="Rounds planned from then on, UTC.")
@click.option("--until", type=click.DateTime(), help="Rounds planned before then, UTC.")
@click.option(
    "--target",
    "target_gco2eq",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GRAMS",
    help="What you aim at, gCO2eq: a line in the plot, and the share that is used.",
)
@as_json
def report(
    run: str | None, out: Path, formats: tuple[str, ...], since: datetime | None,
    until: datetime | None, *, target_gco2eq: float | None, as_json: bool,
) -> None:  # fmt: skip
    """Write the energy and emissions of a run, or of all, to report.html, report.json and CSV."""
    scope = Scope(run, _utc(since), _utc(until))
    if scope.since is not None and scope.until is not None and scope.until <= scope.since:
        msg = "--until is not after --since, so no work lies between them. Swap them."
        raise FederationError(msg)
    made = verified_report(scope, target_gco2eq=target_gco2eq)
    if as_json:
        print_json(to_json(made))
        return
    files = _files(made, formats)
    _write(out, files)
    for line in headline(made):
        echo(line)
    echo(f"Written: {', '.join(str(out / name) for name in files)}")


def verified_report(scope: Scope, *, target_gco2eq: float | None = None) -> Report:
    """Return the report of the coordinator's ledger, verified first.

    Raises:
        LedgerError: If the ledger was altered, so that none of its figures can be trusted.
        FederationError: If there is no such run, or no work in the scope.
    """
    ledger = ledger_to_read()
    found = ledger.verify()
    if found.broken_at is not None:
        msg = (
            f"Event {found.broken_at} of the ledger is not what was written, so no report is made "
            "of it. See `fairwind ledger verify`, and restore a back-up."
        )
        raise LedgerError(msg)
    # What was appended since it was verified waits for the next report.
    events = (event for event in ledger.events() if event.seq <= found.events)
    provenance = Provenance(wall_now(), version("fairwind"), found.events, found.head)
    return make_report(events, provenance=provenance, scope=scope, target_gco2eq=target_gco2eq)


def _write(out: Path, files: Mapping[str, str]) -> None:
    try:
        with for_others():
            out.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = (
            f"The report cannot be written to {out} ({error.strerror}), so it is not complete. "
            "Let --out name a folder that you may write."
        )
        raise FederationError(msg) from error


def _files(made: Report, formats: tuple[str, ...]) -> dict[str, str]:
    files = {}
    if "html" in formats:
        files["report.html"] = to_html(made)
    if "json" in formats:
        text = json.dumps(to_json(made), indent=2, ensure_ascii=False)
        files["report.json"] = f"{escaped_json(text)}\n"
    if "csv" in formats:
        files |= {
            "bookings.csv": bookings_csv(made),
            "figures.csv": figures_csv(made),
            "months.csv": months_csv(made),
            "sites-by-month.csv": sites_by_month_csv(made),
        }
    return files


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None else None
