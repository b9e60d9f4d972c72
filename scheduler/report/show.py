"""Figures as a report prints them: one unit and one number of digits, so that columns add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from scheduler.report.report import Report

_DIGITS = 4
"""Significant digits of the totals. Full precision is in the JSON."""

_MOST_DECIMALS = 9

UNKNOWN = "unknown"
NOT_YET = "not known yet"
NOT_SAID = "not said"
NEVER = "-"


@dataclass(frozen=True, slots=True)
class Show:
    """How many decimals grams and watt-hours are printed with, the same all over a report."""

    decimals_g: int
    decimals_wh: int

    @classmethod
    def of(cls, report: Report) -> Show:
        """Return the decimals that print the totals with four significant digits."""
        totals = report.totals
        return cls(_decimals(totals.settled_gco2eq), _decimals(totals.energy_wh))

    def grams(self, gco2eq: float | None, otherwise: str = UNKNOWN) -> str:
        """Return emissions in gCO2eq without their unit."""
        return otherwise if gco2eq is None else _fixed(gco2eq, self.decimals_g)

    def energy(self, energy_wh: float | None, otherwise: str = UNKNOWN) -> str:
        """Return an energy in Wh without its unit."""
        return otherwise if energy_wh is None else _fixed(energy_wh, self.decimals_wh)


def not_settled(report: Report) -> str:
    """Return what stands for a figure at measured intensities that is not known."""
    return NOT_YET if report.settles else NEVER


def significant(value: float | None, otherwise: str = UNKNOWN) -> str:
    """Return a figure that is in no column of sums, with four significant digits."""
    return otherwise if value is None else _fixed(value, _decimals(value))


def share(value: float | None, otherwise: str = UNKNOWN) -> str:
    """Return a share as a percentage with one decimal."""
    return otherwise if value is None else f"{_fixed(100 * value, 1)} %"


def time(at: datetime | None) -> str:
    """Return an instant to the minute, UTC."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def names(words: Sequence[str]) -> str:
    """Return words as a list in a sentence."""
    return ", ".join(words) or "none"


def _decimals(value: float) -> int:
    if value == 0 or not math.isfinite(value):
        return _DIGITS - 1
    return min(_MOST_DECIMALS, max(0, _DIGITS - 1 - math.floor(math.log10(abs(value)))))


def _fixed(value: float, decimals: int) -> str:
    # Adding zero makes of a negative zero, which rounding may leave, a plain one.
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"
