"""The tables of the study, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from simulation.study.comparison import OURS, Standing, compare, holm_p
from simulation.study.conduct import Results
from simulation.study.contender import Chapter
from simulation.study.measures import Row
from simulation.study.statistics import Estimate, estimate

_NOTHING = "-"
_SURE = 0.001


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    marks = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, marks, *rows))


def summary(results: Results) -> str:
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


def _summary_line(found: Standing) -> list[str]:
    best = found.best
    return [
        found.chapter.name, reached(found.ours),
        f"{reached(found.rows(best))} ({best})" if best else "none reached it",
        reached(found.rows("random")), reached(found.rows("oracle")),
        *(ratio(found.ratio(name)) for name in (best, "random", "oracle")),
    ]  # fmt: skip


def policies(results: Results, chapter: Chapter) -> str:
    """Return a line for each policy of a chapter."""
    names = [contender.name for contender in chapter.of("policy")]
    p_values = holm_p(results, chapter)
    columns: dict[str, Callable[[Row], float | None]] = {
        "h to target": lambda row: row.hours_to_target,
        "at 10 %": lambda row: row.at_small,
        "at 30 %": lambda row: row.at_large,
        "at the end": lambda row: row.final,
        "worst site": lambda row: row.worst,
        "forgetting": lambda row: row.forgetting,
        "Jain": lambda row: row.jain,
        "least": lambda row: row.least,
        "longest wait, h": lambda row: row.longest_wait_h,
        "g in all": lambda row: row.gco2eq,
        "Wh in all": lambda row: row.energy_wh,
    }
    rows = []
    for name in names:
        own = results.of(chapter.name, name)
        figures = [spread([figure(row) for row in own]) for figure in columns.values()]
        rows.append([name, reached(own), shown_p(p_values.get(name)), *figures])
    return markdown(["policy", "g to target", "p", *columns], rows)


def reached(rows: Sequence[Row]) -> str:
    """Return the grams to the target of some runs, or how many of them reached it."""
    if not rows:
        return _NOTHING
    grams = [row.grams_to_target for row in rows if row.grams_to_target is not None]
    if len(grams) < len(rows):
        return f"{len(grams)} of {len(rows)}"
    return shown(estimate(grams))


def spread(values: Sequence[float | None]) -> str:
    """Return a mean with its interval; nothing where a value is missing."""
    known = [value for value in values if value is not None]
    return shown(estimate(known)) if known and len(known) == len(values) else _NOTHING


def shown(found: Estimate) -> str:
    """Return an estimate as text, with as many digits as it is worth.

    >>> shown(Estimate(123.456, 7.8)), shown(Estimate(0.95678, 0.0012)), shown(Estimate(7, None))
    ('123 ± 8', '0.957 ± 0.001', '7.0')
    """
    size = abs(found.mean)
    digits = 0 if size >= 100 else 1 if size >= 2 else 3  # noqa: PLR2004 - three figures each
    half = "" if not found.half else f" ± {found.half:.{digits}f}"
    return f"{found.mean:.{digits}f}{half}"


def ratio(value: float | None) -> str:
    """Return a ratio as text."""
    return _NOTHING if value is None else f"{value:.2f}"


def shown_p(value: float | None) -> str:
    """Return a p-value as text."""
    if value is None:
        return _NOTHING
    return "< 0.001" if value < _SURE else f"{value:.3f}"
