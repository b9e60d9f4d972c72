"""A report as JSON and CSV hold it: complete figures for machines, one line a booking."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from common.csv_cell import csv_cell
from scheduler.accounting.booking import Booking
from scheduler.carbon.mean import Mean
from scheduler.report.basis import FigureBasis
from scheduler.report.report import Report
from scheduler.report.sums import ReportSums

_DECIMALS = 12
"""Of a CSV file. JSON has full precision."""


def to_json(value: Any) -> Any:
    """Return a report, or a part of one, as JSON can hold it, with what follows from its fields."""
    if isinstance(value, Mean):
        return value.to_record().model_dump(mode="json")
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        names += [name for name, kind in vars(type(value)).items() if isinstance(kind, property)]
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def bookings_csv(report: Report) -> str:
    """Return every booking of a report on a line of its own; an empty cell is unknown."""
    table = [[get(booking) for get in _BOOKING.values()] for booking in report.bookings]
    return _csv(_BOOKING, table)


def sites_by_month_csv(report: Report) -> str:
    """Return the figures of every site in every month, a line each."""
    names = [field.name for field in fields(ReportSums)]
    table = [
        [line.month, line.site, line.zone, *(getattr(line.figures, name) for name in names)]
        for line in report.sites_by_month
    ]
    return _csv(["month", "site", "zone", *names], table)


def figures_csv(report: Report) -> str:
    """Return what each figure rests on, a line each; several sources are joined by ``+``."""
    names = [field.name for field in fields(FigureBasis)]
    table = [[_joined(getattr(each, name)) for name in names] for each in report.figures]
    return _csv(names, table)


def months_csv(report: Report) -> str:
    """Return the figures of every month, and of all of them in the last line."""
    lines = [(group.name, group.figures) for group in report.months]
    names = [field.name for field in fields(ReportSums)]
    rows = [*lines, ("total", report.totals)]
    table = [[name, *(getattr(figures, column) for column in names)] for name, figures in rows]
    return _csv(["month", *names], table)


_BOOKING: Mapping[str, Callable[[Booking], Any]] = {
    "run": lambda b: b.run,
    "round": lambda b: b.round,
    "client": lambda b: b.client,
    "zone": lambda b: b.zone,
    "outcome": lambda b: b.outcome,
    "started_at": lambda b: b.started_at,
    "ended_at": lambda b: b.ended_at,
    "examples": lambda b: b.examples,
    "flops": lambda b: b.flops,
    "energy_wh": lambda b: b.energy_wh,
    "energy_method": lambda b: b.energy and b.energy.method,
    "energy_quality": lambda b: b.energy and b.energy.quality,
    "pue": lambda b: b.energy and b.energy.pue,
    "booked_gco2eq_per_kwh": lambda b: b.booked and b.booked.gco2eq_per_kwh,
    "booked_quality": lambda b: b.booked and b.booked.quality,
    "booked_sources": lambda b: b.booked and " + ".join(b.booked.sources),
    "booked_family": lambda b: b.booked and str(b.booked.family),
    "settled_gco2eq_per_kwh": lambda b: b.settled and b.settled.gco2eq_per_kwh,
    "settled_quality": lambda b: b.settled and b.settled.quality,
    "settled_sources": lambda b: b.settled and " + ".join(b.settled.sources),
    "gco2eq": lambda b: b.gco2eq,
    "settled_gco2eq": lambda b: b.settled_gco2eq,
    "apart_gco2eq": lambda b: b.apart_gco2eq,
    "idle_wh": lambda b: b.idle_wh,
    "idle_gco2eq": lambda b: b.idle_gco2eq,
    "network_wh": lambda b: b.network_wh,
    "network_gco2eq": lambda b: b.network_gco2eq,
    "embodied_gco2eq": lambda b: b.embodied_gco2eq,
}


def _csv(columns: Iterable[str], table: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in table)
    return out.getvalue()


def _joined(value: Any) -> Any:
    return " + ".join(map(str, value)) if isinstance(value, tuple) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
    if isinstance(value, datetime):
        return value.isoformat()
    return str(csv_cell(str(value)))
