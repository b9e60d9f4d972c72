"""Electricity Maps' own CSV, as its data portal lets one download it: a file a zone and year.

Its header has changed over the years; both are read, with a byte order mark or semicolons too::

    Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),
    Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),
    Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method

    Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),
    Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage,Renewable Percentage,
    Data Source,Data Estimated,Data Estimation Method

Its times have no time zone, under a header that says UTC. Slots of 5 or 15 minutes are averaged to
hours. A value for a day, a month or a year says nothing of an hour, and is refused.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from common.errors import SettingError
from scheduler.carbon.family import Scope
from scheduler.carbon.signal import HOUR, hour_number
from scheduler.carbon.signals.trace_hour import TraceHour, TraceHours, intensity, number, zone_id

_TIME = "datetime (utc)"
_ZONE = "zone id"
_INTENSITIES: Mapping[Scope, Sequence[str]] = {
    "lifecycle": (
        "carbon intensity gco2eq/kwh (life cycle)",
        "carbon intensity gco2eq/kwh (lca)",
    ),
    "direct": ("carbon intensity gco2eq/kwh (direct)",),
}
_LOW_CARBON = ("carbon-free energy percentage (cfe%)", "low carbon percentage")
_ESTIMATED = "data estimated"
_METHOD = "data estimation method"


class Slot(NamedTuple):
    """One row: a time, and what holds from then on."""

    zone: str
    at: datetime
    value: TraceHour


@dataclass(frozen=True)
class Export:
    """The columns of one file, by what they hold.

    Attributes:
        names: The header, each name as it is compared.
        scope: Which emission factors are read.
        decimal_comma: Whether numbers are written with a comma, as beside semicolons.
    """

    names: Sequence[str]
    scope: Scope
    decimal_comma: bool = False

    def slot(self, line: Sequence[str]) -> Slot | None:
        """Return what a line says; `None` if its intensity is empty, which is a gap.

        Raises:
            SettingError: If it is malformed.
        """
        row = dict(zip(self.names, (cell.strip() for cell in line), strict=False))
        text = self._number(_first(row, _INTENSITIES[self.scope]))
        if not text:
            return None
        zone = zone_id(row[_ZONE])
        share = self._number(_first(row, _LOW_CARBON))
        measured = row.get(_ESTIMATED, "").lower() == "false"
        value = TraceHour(
            intensity(zone, text),
            low_carbon_share=number("low-carbon percentage", share, most=100) / 100
            if share
            else None,
            quality="measured" if measured else "estimated",
            method="" if measured else row.get(_METHOD, ""),
        )
        return Slot(zone, _time(row[_TIME]), value)

    def _number(self, text: str) -> str:
        return text.replace(",", ".") if self.decimal_comma else text


def export_of(header: Sequence[str], scope: Scope, *, decimal_comma: bool) -> Export | None:
    """Return the columns of an export; `None` if this is the header of something else.

    Raises:
        SettingError: If the zone or the intensity of that scope is missing, or a column that is
            read is there twice.
    """
    names = [name.strip().casefold().replace("₂", "2") for name in header]
    if _TIME not in names:
        return None
    used = (_TIME, _ZONE, *_INTENSITIES[scope], *_LOW_CARBON, _ESTIMATED, _METHOD)
    twice = [name for name in used if names.count(name) > 1]
    if twice:
        shown = header[names.index(twice[0])].strip()
        msg = (
            f"its header names the column {shown!r} twice, so it is unknown which of them counts. "
            "Remove one, or download the export again."
        )
        raise SettingError(msg)
    missing = [] if _ZONE in names else ["Zone id"]
    if not set(names) & set(_INTENSITIES[scope]):
        missing.append(f"the {_SHOWN[scope]} carbon intensity")
    if missing:
        msg = (
            f"an export of Electricity Maps without {' and '.join(missing)} cannot be read. "
            "Download it again, or set FAIRWIND_TRACE_SCOPE to the intensity that it has."
        )
        raise SettingError(msg)
    return Export(names, scope, decimal_comma)


_SHOWN: Mapping[Scope, str] = {"lifecycle": "life-cycle", "direct": "direct"}


def refuse_long_slots(name: str) -> None:
    """Refuse a file that its name says holds a value a day or longer: a year's has a single row.

    Raises:
        SettingError: If it says so.
    """
    if long := re.search("daily|weekly|monthly|quarterly|yearly", name.casefold()):
        raise SettingError(_too_long(f"its values are {long.group()} ones"))


def hours_of(slots: Iterable[Slot]) -> dict[str, TraceHours]:
    """Return the hours of all zones.

    Raises:
        SettingError: If a row holds for longer than an hour, or two rows disagree.
    """
    by_zone: defaultdict[str, dict[datetime, TraceHour]] = defaultdict(dict)
    for zone, at, value in slots:
        if by_zone[zone].setdefault(at, value) != value:
            msg = f"{zone} has a second, other value at {at:%Y-%m-%d %H:%M} UTC. Keep one."
            raise SettingError(msg)
    return {zone: _hours(zone, known) for zone, known in by_zone.items()}


def _hours(zone: str, known: Mapping[datetime, TraceHour]) -> TraceHours:
    times = sorted(known)
    step = min((after - at for at, after in pairwise(times)), default=HOUR)
    if step > timedelta(hours=12):
        raise SettingError(_too_long(f"the rows of {zone} are {step.days or 1} days apart"))
    grouped: defaultdict[int, list[TraceHour]] = defaultdict(list)
    for at in times:
        grouped[hour_number(at.replace(minute=0, second=0, microsecond=0))].append(known[at])
    return {hour: _mean(values) for hour, values in grouped.items()}


def _too_long(what: str) -> str:
    return f"{what}, which says nothing of an hour. Download the hourly export."


def _mean(values: Sequence[TraceHour]) -> TraceHour:
    """Return the mean of the slots of one hour: estimated, if any of them is."""
    if len(values) == 1:
        return values[0]
    shares = [value.low_carbon_share for value in values if value.low_carbon_share is not None]
    estimated = [value for value in values if value.quality == "estimated"]
    first = (estimated or values)[0]
    return TraceHour(
        fmean(value.gco2eq_per_kwh for value in values),
        low_carbon_share=fmean(shares) if shares else None,
        quality=first.quality,
        method=first.method,
    )


def _first(row: Mapping[str, str], names: Sequence[str]) -> str:
    return next((row[name] for name in names if name in row), "")


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        msg = f"the time {text!r} is not one. Write it as 2022-01-01 00:00:00, as downloaded."
        raise SettingError(msg) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
