"""The file format of traces: CSV, plain or gzipped, long or wide.

Long is a row for each zone and hour, with these columns in any order, the last two if known::

    datetime,zone,gco2eq_per_kwh,low_carbon_share,price_eur_per_mwh
    2022-01-01T00:00Z,FR,50.5,0.93,-1.2

Wide is a row for each hour, with a column for each zone; an empty cell is a gap::

    datetime,FR,DE
    2022-01-01T00:00Z,50.5,216.6

The column of times may also be called ``timestamp``. A time is ISO 8601 with its time zone, on the
UTC hour, and its value holds for that hour. Rows may come in any order, each hour once.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TextIO

from common.errors import SettingError
from common.messages import NAME_PATTERN
from scheduler.carbon.reading import implausible
from scheduler.carbon.signal import hour_number


class TraceHour(NamedTuple):
    """One hour of a trace; `None` is unknown."""

    gco2eq_per_kwh: float
    low_carbon_share: float | None = None
    price_eur_per_mwh: float | None = None


TraceHours = dict[int, TraceHour]
"""By UTC hour, counted from 1970."""

Row = dict[str, str]
"""The cells of one line, by column."""

Cells = Callable[[Row], Iterable[tuple[str, Sequence[str]]]]
"""Takes a row to its pairs of a zone and the texts of its values, the intensity first."""

_TIME_NAMES = {"datetime", "timestamp"}
_ZONE_NAME = "zone"
_VALUE_NAME = "gco2eq_per_kwh"
_MORE_NAMES = ("low_carbon_share", "price_eur_per_mwh")


def read_trace(path: Path) -> dict[str, TraceHours]:
    """Return all values of a trace, by zone.

    Raises:
        SettingError: If the file cannot be read, or a line of it is malformed.
    """
    try:
        with _open(path) as file:
            return _parse(file, path)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        msg = (
            f"The trace {path} cannot be read ({error}), so there are no carbon intensities. "
            f"Let FAIRWIND_TRACE_PATH name a CSV file, plain or ending in .gz."
        )
        raise SettingError(msg) from error


def _open(path: Path) -> TextIO:
    # A spreadsheet may begin its UTF-8 with a byte order mark; utf-8-sig skips it.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _parse(file: TextIO, path: Path) -> dict[str, TraceHours]:
    lines = csv.reader(file)
    table: defaultdict[str, TraceHours] = defaultdict(dict)
    try:
        header = next(lines, [])
        time, cells = _columns(header)
        for line in lines:
            if line:
                row = _row(header, line)
                _store(table, _hour(row[time]), cells(row))
    except SettingError as error:
        msg = f"{path}, line {lines.line_num}: {error}"
        raise SettingError(msg) from None
    if not table:
        msg = f"{path} holds no value, so the signal knows no zone. Add a row for each hour."
        raise SettingError(msg)
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
    return lambda row: [(_zone(row[_ZONE_NAME]), [row.get(name, "") for name in values])]


def _wide(zones: list[str]) -> Cells:
    for zone in zones:
        _zone(zone)
    return lambda row: [(zone, [row[zone]]) for zone in zones]


def _zone(text: str) -> str:
    if not re.match(NAME_PATTERN, text):
        msg = f"{text!r} is no zone id, so its values belong nowhere. Write one like FR or NO-NO1."
        raise SettingError(msg)
    return text


def _row(header: Sequence[str], line: Sequence[str]) -> Row:
    if len(line) != len(header):
        msg = (
            f"there are {len(line)} cells for {len(header)} columns, so values may be misplaced. "
            f"Give each column a cell; an empty one is a gap."
        )
        raise SettingError(msg)
    return dict(zip(header, line, strict=True))


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
            name: _number(name, word) for name, word in zip(_MORE_NAMES, more, strict=False) if word
        }
        table[zone][hour] = TraceHour(_value(zone, text), **known)


def _number(name: str, text: str) -> float:
    value = _float(text)
    if math.isfinite(value) and (name != "low_carbon_share" or 0 <= value <= 1):
        return value
    wanted = "a share from 0 to 1" if name == "low_carbon_share" else "a number"
    msg = f"the {name} {text!r} is not {wanted}. Correct it, or leave the cell empty."
    raise SettingError(msg)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _value(zone: str, text: str) -> float:
    value = _float(text)
    fault = implausible(value)
    if fault is None:
        return value
    msg = (
        f"the value {text!r} for {zone} {fault}, so it is no carbon intensity. "
        f"Write gCO2eq/kWh, or leave the cell empty."
    )
    raise SettingError(msg)
