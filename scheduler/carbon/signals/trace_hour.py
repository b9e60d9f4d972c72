"""One hour of a trace, and how its texts are read."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from common.errors import SettingError
from common.messages import NAME_PATTERN
from scheduler.carbon.reading import implausible
from scheduler.ledger.events.grid import Quality


class TraceHour(NamedTuple):
    """One hour of a trace; `None` is unknown."""

    gco2eq_per_kwh: float
    low_carbon_share: float | None = None
    price_eur_per_mwh: float | None = None
    quality: Quality = "measured"
    method: str = ""


TraceHours = dict[int, TraceHour]
"""By UTC hour, counted from 1970."""


def zone_id(text: str) -> str:
    """Return a zone id.

    Raises:
        SettingError: If it is none.
    """
    if not re.match(NAME_PATTERN, text):
        msg = f"{text!r} is no zone id, so its values belong nowhere. Write one like FR or NO-NO1."
        raise SettingError(msg)
    return text


def number(name: str, text: str, *, most: float | None = None) -> float:
    """Return a number, from 0 to `most` where that is given.

    Raises:
        SettingError: If it is none.
    """
    value = _float(text)
    if math.isfinite(value) and (most is None or 0 <= value <= most):
        return value
    wanted = "a number" if most is None else f"a number from 0 to {most:g}"
    msg = f"the {name} {text!r} is not {wanted}. Correct it, or leave the cell empty."
    raise SettingError(msg)


def intensity(zone: str, text: str) -> float:
    """Return a carbon intensity in gCO2eq/kWh.

    Raises:
        SettingError: If it is none.
    """
    value = _float(text)
    fault = implausible(value)
    if fault is None:
        return value
    msg = (
        f"the value {text!r} for {zone} {fault}, so it is no carbon intensity. "
        f"Write gCO2eq/kWh, or leave the cell empty."
    )
    raise SettingError(msg)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
