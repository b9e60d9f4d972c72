"""The tables of the study, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from simulation.study.comparison import OURS, Comparison, compare, holm_p
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.measures import Row
from simulation.study.statistics import Estimate, estimate

_NOTHING = "-"
_SURE = 0.001
_HUNDRED = 100


_COLUMNS: dict[str, tuple[Callable[[Row], float | None], int | None]] = {
    "h to target": (lambda row: row.hours_to_target, 0),
    "at 10 %": (lambda row: row.at_small, 3),
    "at 30 %": (lambda row: row.at_large, 3),
    "at the end": (lambda row: row.final, 3),
    "worst site": (lambda row: row.worst, 3),
    "forgetting": (lambda row: row.forgetting, 3),
    "Jain": (lambda row: row.jain, 2),
    "least": (lambda row: row.least, 1),
    "longest wait, h": (lambda row: row.longest_wait_h, 0),
    "g in all": (lambda row: row.gco2eq, None),
    "Wh in all": (lambda row: row.energy_wh, 0),
}
"""The columns of each policy, with the digits behind the point."""


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    marks = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, marks, *rows))


def summary(results: StudyResults) -> str:
    """Return a line for each chapter: ours beside the best published, chance and the bound."""
    rows = [
        _summary_line(compare(results, chapter))
        for chapter in results.chapters
        if any(contender.name == OURS for contender in chapter.contenders)
    ]
    return markdown(
        [
            "scenario", "fairwind, g", "best published, g", "random, g", "oracle, g", "/ published",
            "/ random", "/ oracle",
        ],
        rows,
    )  # fmt: skip


def _summary_line(found: Comparison) -> list[str]:
    best = found.best
    return [
        found.chapter.name, reached(found.ours),
        f"{reached(found.rows(best))} ({best})" if best else "none reached it",
        reached(found.rows("random")), reached(found.rows("oracle")),
        *(ratio(found.ratio(name)) for name in (best, "random", "oracle")),
    ]  # fmt: skip


def policies(results: StudyResults, chapter: Chapter) -> str:
    """Return a line for each policy of a chapter."""
    names = [contender.name for contender in chapter.of("policy")]
    p_values = holm_p(results, chapter)
    rows = []
    for name in names:
        own = results.of(chapter.name, name)
        figures = [
            spread([figure(row) for row in own], digits) for figure, digits in _COLUMNS.values()
        ]
        rows.append([name, reached(own), shown_p(p_values.get(name)), *figures])
    return markdown(["policy", "g to target", "p", *_COLUMNS], rows)


def reached(rows: Sequence[Row]) -> str:
    """Return the grams to the target of some runs, or how many of them reached it."""
    if not rows:
        return _NOTHING
    grams = [row.grams_to_target for row in rows if row.grams_to_target is not None]
    if len(grams) < len(rows):
        return f"{len(grams)} of {len(rows)}"
    return shown(estimate(grams))


def spread(values: Sequence[float | None], digits: int | None = None) -> str:
    """Return a mean with its interval; nothing where a value is missing."""
    known = [value for value in values if value is not None]
    return shown(estimate(known), digits) if known and len(known) == len(values) else _NOTHING


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


def ratio(value: float | None) -> str:
    """Return a ratio as text."""
    return _NOTHING if value is None else f"{value:.2f}"


def shown_p(value: float | None) -> str:
    """Return a p-value as text."""
    if value is None:
        return _NOTHING
    return "< 0.001" if value < _SURE else f"{value:.3f}"
