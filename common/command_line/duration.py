"""Durations as people write them: 2d, 48h, 90min, 1h30, or a number in the option's own unit."""

from __future__ import annotations

import re
from typing import Literal

import click

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


class Duration(click.ParamType[float]):
    """An option that is a duration.

    Args:
        unit: What its value is in, and a bare number.
        least: The shortest that is accepted, in `unit`.
        most: The longest.
    """

    def __init__(self, unit: Unit, *, least: float = 0.0, most: float = float("inf")) -> None:
        self.name = "duration"
        self._unit: Unit = unit
        self._least, self._most = least, most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the duration in the option's unit."""
        try:
            found = parse_duration(str(value), self._unit)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not self._least <= found <= self._most:
            limits = f"{self._least:g} to {self._most:g} {self._unit}"
            self.fail(f"{value} is not within {limits}.", param, ctx)
        return found
