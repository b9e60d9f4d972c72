"""The file format of traces: CSV, plain or gzipped, long or wide.

Long is a row for each zone and hour, with these columns in any order, the last two if known::

    datetime,zone,gco2eq_per_kwh,low_carbon_share,price_eur_per_mwh
    2022-01-01T00:00Z,FR,50.5,0.93,-1.2

Wide is a row for each hour, with a column for each zone; an empty cell is a gap::

    datetime,FR,DE
    2022-01-01T00:00Z,50.5,216.6

The column of times may also be called ``timestamp``. A time is ISO 8601 with its time zone, on the
UTC hour, and its value holds for that hour. Rows may come in any order, each hour once.

A folder of such files is read as one, and so are Electricity Maps' own: `electricity_maps_export`.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TextIO

from common.errors import SettingError
from scheduler.carbon.family import Scope
from scheduler.carbon.signal import hour_number
from scheduler.carbon.signals.electricity_maps_export import (
    Export,
    Slot,
    export_of,
    hours_of,
    refuse_long_slots,
)
from scheduler.carbon.signals.trace_hour import TraceHour, TraceHours, intensity, number, zone_id

Row = dict[str, str]
"""The cells of one line, by column."""

Cells = Callable[[Row], Iterable[tuple[str, Sequence[str]]]]
"""Takes a row to its pairs of a zone and the texts of its values, the intensity first."""

_TIME_NAMES = {"datetime", "timestamp"}
_ZONE_NAME = "zone"
_VALUE_NAME = "gco2eq_per_kwh"
_MORE_NAMES = ("low_carbon_share", "price_eur_per_mwh")
_MOST = {"low_carbon_share": 1.0}


def read_trace(path: Path, scope: Scope = "lifecycle") -> dict[str, TraceHours]:
    """Return all values of a trace, by zone.

    Args:
        path: A file, or a folder of files.
        scope: Of an export of Electricity Maps, the intensity to read.

    Raises:
        SettingError: If a file cannot be read, a line of it is malformed, or two files disagree.
    """
    if not path.is_dir():
        return _read(path, scope)
    files = sorted(each for each in path.rglob("*") if _is_trace(each.name))
    if not files:
        msg = (
            f"The trace {path} is a folder without a file .csv or .csv.gz, so there are no carbon "
            "intensities. Let FAIRWIND_TRACE_PATH name another."
        )
        raise SettingError(msg)
    whole: dict[str, TraceHours] = {}
    for file in files:
        for zone, hours in _read(file, scope).items():
            known = whole.setdefault(zone, {})
            if any(known.get(hour, value) != value for hour, value in hours.items()):
                msg = (
                    f"{file} has other values for {zone} than another file of its folder has for "
                    "the same hours, so it is unclear which hold. Keep one of them."
                )
                raise SettingError(msg)
            known |= hours
    return whole


def _is_trace(name: str) -> bool:
    # A system's own file, such as ._FR.csv, is hidden.
    return not name.startswith(".") and name.lower().endswith((".csv", ".csv.gz"))


def _read(path: Path, scope: Scope) -> dict[str, TraceHours]:
    try:
        with _open(path) as file:
            return _parse(file, path, scope)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        msg = (
            f"The trace {path} cannot be read ({error}), so there are no carbon intensities. "
            f"Let FAIRWIND_TRACE_PATH name a CSV file, plain or ending in .gz, or a folder of them."
        )
        raise SettingError(msg) from error


def _open(path: Path) -> TextIO:
    # A spreadsheet may begin its UTF-8 with a byte order mark; utf-8-sig skips it.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _parse(file: TextIO, path: Path, scope: Scope) -> dict[str, TraceHours]:
    first = file.readline()
    is_semicolons = first.count(";") > first.count(",")
    lines = csv.reader(chain([first], file), delimiter=";" if is_semicolons else ",")
    try:
        header = next(lines, [])
        export = export_of(header, scope, decimal_comma=is_semicolons)
        if export is not None:
            refuse_long_slots(path.name)
        table = _table(header, lines) if export is None else hours_of(_slots(export, lines))
    except SettingError as error:
        msg = f"{path}, line {lines.line_num}: {error}"
        raise SettingError(msg) from None
    if not table:
        msg = f"{path} holds no value, so the signal knows no zone. Add a row for each hour."
        raise SettingError(msg)
    return table


def _slots(export: Export, lines: Iterable[list[str]]) -> Iterator[Slot]:
    for line in lines:
        if line:
            _refuse_misplaced(export.names, line)
            if (slot := export.slot(line)) is not None:
                yield slot


def _table(header: list[str], lines: Iterable[list[str]]) -> dict[str, TraceHours]:
    table: defaultdict[str, TraceHours] = defaultdict(dict)
    time, cells = _columns(header)
    for line in lines:
        if line:
            row = _row(header, line)
            _store(table, _hour(row[time]), cells(row))
    return dict(table)


def _columns(header: Sequence[str]) -> tuple[str, Cells]:
    """Return the name of the column of times, and how to find zones and values in a row."""
    names = set(header)
    times = names & _TIME_NAMES
    if len(times) != 1 or len(names) < len(header):
        msg = (
            f"the columns are {', '.join(header) or 'missing'}, so no row can be understood. "
            f"Begin with one column datetime, and name each column once."
        )
        raise SettingError(msg)
    time = times.pop()
    if _VALUE_NAME in names:
        return time, _long(names - {time})
    return time, _wide([name for name in header if name != time])


def _long(names: set[str]) -> Cells:
    # A further column might mean that the values are of another kind, which nothing would notice.
    if names - set(_MORE_NAMES) != {_ZONE_NAME, _VALUE_NAME}:
        found = ", ".join(sorted(names))
        msg = (
            f"beside the time there are the columns {found}, so what the values mean is not sure. "
            f"Keep only datetime, {_ZONE_NAME}, {_VALUE_NAME}, {' and '.join(_MORE_NAMES)}."
        )
        raise SettingError(msg)
    values = [_VALUE_NAME, *_MORE_NAMES]
    return lambda row: [(zone_id(row[_ZONE_NAME]), [row.get(name, "") for name in values])]


def _wide(zones: list[str]) -> Cells:
    for zone in zones:
        zone_id(zone)
    return lambda row: [(zone, [row[zone]]) for zone in zones]


def _row(header: Sequence[str], line: Sequence[str]) -> Row:
    _refuse_misplaced(header, line)
    return dict(zip(header, line, strict=True))


def _refuse_misplaced(header: Sequence[str], line: Sequence[str]) -> None:
    if len(line) != len(header):
        msg = (
            f"there are {len(line)} cells for {len(header)} columns, so values may be misplaced. "
            f"Give each column a cell; an empty one is a gap."
        )
        raise SettingError(msg)


def _hour(text: str) -> int:
    try:
        return hour_number(datetime.fromisoformat(text))
    except ValueError as error:
        msg = (
            f"the time {text!r} is not one ({error}), so its row has no place. "
            f"Write UTC hours like 2022-01-01T00:00Z."
        )
        raise SettingError(msg) from None


def _store(
    table: defaultdict[str, TraceHours], hour: int, cells: Iterable[tuple[str, Sequence[str]]]
) -> None:
    for zone, (text, *more) in cells:
        if not text:
            continue
        if hour in table[zone]:
            msg = (
                f"{zone} has a second value for the same hour, so it is unclear which holds. "
                f"Keep one."
            )
            raise SettingError(msg)
        known = {
            name: number(name, word, most=_MOST.get(name))
            for name, word in zip(_MORE_NAMES, more, strict=False)
            if word
        }
        table[zone][hour] = TraceHour(intensity(zone, text), **known)  # type: ignore[arg-type]
