"""An option that is a duration, as people write it: 2d, 48h, 90min, 1h30."""

from __future__ import annotations

import click

from common.duration import Unit, parse_duration


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
