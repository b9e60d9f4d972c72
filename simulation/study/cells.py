"""Cells of the study's tables: figures with their intervals, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulation.study.comparison import BOUNDS, WEAK_ANCHORS, Duel
from simulation.study.measures import TARGET_SHARE, Row
from simulation.study.statistics import Estimate, PairedRatio, estimate

NOTHING = "-"
_HUNDRED = 100


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    marks = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, marks, *rows))


def reached(rows: Sequence[Row], share: float = TARGET_SHARE) -> str:
    """Return the grams to a target of some runs, or how many of them reached it."""
    if not rows:
        return NOTHING
    grams = [value for row in rows if (value := row.at(share).gco2eq) is not None]
    return shown(estimate(grams)) if len(grams) == len(rows) else f"{len(grams)} of {len(rows)}"


def spread(values: Sequence[float | None], digits: int | None = None) -> str:
    """Return a mean with its interval; nothing where a value is missing."""
    known = [value for value in values if value is not None]
    return shown(estimate(known), digits) if known and len(known) == len(values) else NOTHING


def shown(found: Estimate, digits: int | None = None) -> str:
    """Return an estimate as text.

    Args:
        found: The estimate.
        digits: Behind the point; as many as make about three figures if left out.

    >>> shown(Estimate(123.456, 7.8)), shown(Estimate(7, None)), shown(Estimate(0.5, 0.01), 3)
    ('123 ± 8', '7.0', '0.500 ± 0.010')
    """
    if digits is None:
        digits = 1 if abs(found.mean) < _HUNDRED else 0
    half = "" if found.half is None else f" ± {found.half:.{digits}f}"
    return f"{found.mean:.{digits}f}{half}"


def shown_ratio(found: PairedRatio) -> str:
    """Return a ratio with its interval, bold where that lies on one side of 1.

    >>> shown_ratio(PairedRatio(0.5, 0.42, 0.6)), shown_ratio(PairedRatio(1.1, 0.9, 1.3))
    ('**0.50** [0.42, 0.60]', '1.10 [0.90, 1.30]')
    """
    if found.low is None or found.high is None:
        return f"{found.mean:.2f}"
    is_sure = found.high < 1 or found.low > 1
    mean = f"**{found.mean:.2f}**" if is_sure else f"{found.mean:.2f}"
    return f"{mean} [{found.low:.2f}, {found.high:.2f}]"


def duel_cell(found: Duel) -> str:
    """Return a duel's ratio, or how many runs of each reached the target."""
    if found.ratio is None:
        return f"{found.arrived[0]} runs against {found.arrived[1]} reached it"
    return shown_ratio(found.ratio)


def labelled(name: str) -> str:
    """Return a contender's name, marked where a win over it shows little, or it is no rival."""
    if name in WEAK_ANCHORS:
        return f"{name} (weak anchor)"
    return f"{name} (bound)" if name in BOUNDS else name
