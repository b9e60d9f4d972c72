"""Figures of a run as CSV files in a folder."""

from __future__ import annotations

import csv
from pathlib import Path
from uuid import uuid4

from common.csv_cell import csv_cell
from common.errors import ExportError
from scheduler.export.codecarbon import emissions_table
from scheduler.export.followed import Followed
from scheduler.export.table import Table, parameters_table, rounds_table, work_table
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run

ROUNDS, WORK, PARAMETERS, EMISSIONS = "rounds.csv", "sites.csv", "parameters.csv", "emissions.csv"


class CsvFolder:
    """Writes each file anew, in one step: who reads it meanwhile reads the old one or the new.

    Args:
        folder: Is made if need be.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num_rows: dict[str, int] = {}

    def write(self, followed: Followed, state: Federation, run: Run) -> None:
        """Write all tables as they are now."""
        pieces = followed.pieces(state, run)
        tables = {
            ROUNDS: rounds_table(run, followed.closed_at),
            WORK: work_table(pieces),
            PARAMETERS: parameters_table(run),
            EMISSIONS: emissions_table(run, [booking for booking, _ in pieces]),
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, table in tables.items():
                _write(self._folder / name, table)
                self._num_rows[name] = len(table.rows)
        except OSError as error:
            msg = (
                f"The figures of {run.id} could not be written to {self._folder} "
                f"({error.strerror}). Name a folder that you may write, with --csv."
            )
            raise ExportError(msg) from error

    def close(self) -> None:
        """Do nothing: every file is closed once it is written."""

    def describe(self) -> str:
        """Return the files with their numbers of rows."""
        files = ", ".join(f"{name} ({rows} rows)" for name, rows in self._num_rows.items())
        return f"{self._folder}: {files}"


def _write(path: Path, table: Table) -> None:
    partial = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, table.columns, restval="", lineterminator="\n")
            writer.writerow({name: csv_cell(name) for name in table.columns})
            writer.writerows(
                {name: csv_cell(value) for name, value in row.items()} for row in table.rows
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
