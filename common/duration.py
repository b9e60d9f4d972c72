"""Durations as people write them: 2d, 48h, 90min, 1h30, or a number in a unit that is known."""

from __future__ import annotations

import re
from typing import Literal

Unit = Literal["s", "min", "h", "d"]

_SECONDS: dict[str, float] = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400}

_SMALLER: dict[str, Unit] = {"d": "h", "h": "min", "min": "s", "m": "s"}
"""What a last number without a unit counts, by the unit before it: 1h30 is an hour and a half."""

_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)")


def parse_duration(text: str, unit: Unit) -> float:
    """Return a duration in `unit`, in which a bare number is taken to be.

    Raises:
        ValueError: If it is none.

    >>> [parse_duration(text, "h") for text in ("48", "48h", "2d", "90min", "1h30", "1 d 6 h")]
    [48.0, 48.0, 48.0, 1.5, 1.5, 30.0]
    """
    if re.fullmatch(r"-?\d+(\.\d+)?", text.strip()):
        return float(text)
    rest, seconds, before = text.strip().lower(), 0.0, ""
    while rest:
        part = _PART.match(rest)
        named = part and (part[2] or (_SMALLER.get(before, "") if before else unit))
        if not part or named not in _SECONDS or (before and _SECONDS[named] >= _SECONDS[before]):
            break
        seconds, before, rest = (
            seconds + float(part[1]) * _SECONDS[named],
            named,
            rest[part.end() :],
        )
    if rest or not before:
        msg = f"{text!r} is no duration. Write it as 2d, 48h, 90min, 1h30 or 45s."
        raise ValueError(msg)
    return seconds / _SECONDS[unit]


def in_unit(value: object, unit: Unit) -> object:
    """Return what stands for a duration in `unit`; all but text with units as it is.

    Raises:
        ValueError: If it is text that is neither a number nor a duration.

    >>> [in_unit(value, "s") for value in (90, "90", "1h30")]
    [90, '90', 5400.0]
    """
    if not isinstance(value, str) or is_number(value):
        return value
    return parse_duration(value, unit)


def is_number(text: str) -> bool:
    """Return whether text is a number as Python reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return True
