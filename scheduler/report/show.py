"""Figures as a report prints them: one unit and one number of digits, so that columns add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from scheduler.report.annual import YEAR_S
from scheduler.report.basis import FigureBasis
from scheduler.report.report import Report

_DIGITS = 4
"""Significant digits of the totals. Full precision is in the JSON."""

_MOST_DECIMALS = 9

_MASS = (("g", 1.0), ("kg", 1e3), ("t", 1e6), ("mg", 1e-3), ("ug", 1e-6))
_ENERGY = (("Wh", 1.0), ("kWh", 1e3), ("MWh", 1e6), ("mWh", 1e-3), ("uWh", 1e-6))
"""Units with their sizes: the first one in which a total lies between 1 and 1000 is taken."""

UNKNOWN = "unknown"
NOT_YET = "not known yet"
NOT_REPORTED = "not reported by the site"
NEVER = "-"


@dataclass(frozen=True, slots=True)
class Show:
    """The units of a report's grams and watt-hours, and with how many decimals they are printed.

    Attributes:
        g: The unit of mass, e.g. ``mg``; `size_g` is how many grams it has.
        wh: The unit of energy, e.g. ``kWh``; `size_wh` is how many watt-hours it has.
    """

    g: str
    size_g: float
    decimals_g: int
    wh: str
    size_wh: float
    decimals_wh: int

    @classmethod
    def of(cls, report: Report) -> Show:
        """Return what prints the totals with four significant digits and few zeros."""
        totals = report.totals
        mass = _fit(max(totals.settled_gco2eq, totals.gco2eq), _MASS)
        energy = _fit(totals.energy_wh, _ENERGY)
        return cls(*mass, *energy)

    @property
    def gco2eq(self) -> str:
        """The unit of emissions."""
        return f"{self.g}CO2eq"

    def grams(self, gco2eq: float | None, otherwise: str = UNKNOWN) -> str:
        """Return emissions, given in gCO2eq, without their unit."""
        return otherwise if gco2eq is None else _fixed(gco2eq / self.size_g, self.decimals_g)

    def energy(self, energy_wh: float | None, otherwise: str = UNKNOWN) -> str:
        """Return an energy, given in Wh, without its unit."""
        return (
            otherwise if energy_wh is None else _fixed(energy_wh / self.size_wh, self.decimals_wh)
        )

    def sci(self, gco2eq: float | None) -> str:
        """Return emissions per unit; a round that gained no point has none per point."""
        return "-" if gco2eq is None else significant(gco2eq / self.size_g)


def not_settled(report: Report) -> str:
    """Return what stands for a figure at measured intensities that is not known."""
    return NOT_YET if report.settles else NEVER


def significant(value: float | None, otherwise: str = UNKNOWN) -> str:
    """Return a figure that is in no column of sums, with four significant digits."""
    return otherwise if value is None else _fixed(value, _decimals(value))


def mass(gco2eq: float) -> str:
    """Return emissions that stand alone, such as a target, in a unit of their own.

    >>> [mass(grams) for grams in (0.0003, 5, 1234.5)]
    ['300 ugCO2eq', '5 gCO2eq', '1.234 kgCO2eq']
    """
    name, size, _ = _fit(gco2eq, _MASS)
    return f"{gco2eq / size:,.4g} {name}CO2eq"


def share(value: float | None, otherwise: str = UNKNOWN) -> str:
    """Return a share as a percentage with one decimal."""
    return otherwise if value is None else f"{_fixed(100 * value, 1)} %"


def time(at: datetime | None) -> str:
    """Return an instant to the minute, UTC."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def slots(each: FigureBasis) -> str:
    """Return how long the slots of a figure's intensities are, from the shortest to the longest."""
    if each.shortest_slot_s is None or each.longest_slot_s is None:
        return UNKNOWN
    shortest, longest = _slot(each.shortest_slot_s), _slot(each.longest_slot_s)
    return shortest if shortest == longest else f"{shortest} to {longest}"


def _slot(seconds: float) -> str:
    return "a year" if seconds == YEAR_S else f"{seconds / 60:,.0f} min"


def names(words: Sequence[str]) -> str:
    """Return words as a list in a sentence."""
    return ", ".join(words) or "none"


def _fit(total: float, units: Sequence[tuple[str, float]]) -> tuple[str, float, int]:
    fits = (unit for unit in units if 1 <= total / unit[1] < 1000)  # noqa: PLR2004 - see `_MASS`
    name, size = next(fits, units[0])
    return name, size, _decimals(total / size)


def _decimals(value: float) -> int:
    if value == 0 or not math.isfinite(value):
        return _DIGITS - 1
    return min(_MOST_DECIMALS, max(0, _DIGITS - 1 - math.floor(math.log10(abs(value)))))


def _fixed(value: float, decimals: int) -> str:
    # Adding zero makes of a negative zero, which rounding may leave, a plain one.
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"
