"""The targets that were set beforehand, and which of them the study's results meet."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from scheduler.policies.policy import policy_options
from simulation.study.all_chapters import BUDGETS
from simulation.study.cells import duel_cell, markdown
from simulation.study.comparison import OURS, Duel, best_published, duel, equal_pairs, hours
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.measures import Row
from simulation.study.sections import PUBLISHED

_PERCENT = 100
_LEAST_JAIN = 0.8

_SCORES: dict[str, Callable[[Row], float | None]] = {
    "metric": lambda row: row.final,
    "worst site": lambda row: row.worst,
}


def targets(results: StudyResults) -> str:
    """Return which of the targets set beforehand are met, with the figures."""
    chapters = {c.name: c for c in results.chapters if c.reference == "random"}
    rows = []
    for name in ("held_out", "real", "mixed"):
        if name in chapters:
            rows += _saving(results, chapters[name])
            rows += _learning(results, chapters[name])
    if "flat" in chapters:
        rows += _no_harm(results, chapters["flat"])
    if "paper" in results.yardsticks:
        rows.append(_small_budget(results))
    if chapters:
        rows += [_fair(results, chapters), _patient(results, chapters)]
    return markdown(["target, set beforehand", "found", "met"], rows) if rows else ""


def _saving(results: StudyResults, chapter: Chapter) -> list[list[str]]:
    best = best_published(results, chapter)
    pairs = {other: ours for ours, other in equal_pairs(results, chapter)}
    lines = [
        _at_most("grams to 98 %", 0.5, duel(results, chapter, "random")),
        _at_most("grams to 98 %", 0.85, duel(results, chapter, best)) if best else None,
        *(
            _at_most("grams to 98 %", 1.25, duel(results, chapter, other, ours=ours))
            for other, ours in pairs.items()
            if other.startswith("alpha_fair")
        ),
        _at_most("hours to 98 %", 1.5, duel(results, chapter, "random", figure=hours)),
    ]
    return [line for line in lines if line]


def _at_most(what: str, most: float, found: Duel) -> list[str]:
    is_met = found.ratio is not None and found.ratio.mean <= most
    return [
        f"{found.chapter.name}: {what} at most {most:g} of {found.other}", duel_cell(found),
        _met(is_met),
    ]  # fmt: skip


def _learning(results: StudyResults, chapter: Chapter) -> list[list[str]]:
    lines = []
    for what, figure in _SCORES.items():
        points = _points_above(results, chapter, "all", figure)
        if points is not None:
            lines.append(
                [
                    f"{chapter.name}: {what} within 1 point of the unconstrained run",
                    f"{points:+.1f} points", _met(points >= -1),
                ]
            )  # fmt: skip
    return lines


def _no_harm(results: StudyResults, chapter: Chapter) -> list[list[str]]:
    points = _points_above(results, chapter, "random", _SCORES["metric"])
    return [
        _at_most("grams to 98 %", 1, duel(results, chapter, "random")),
        [
            "flat: metric no worse than that of random",
            "unknown" if points is None else f"{points:+.1f} points",
            _met(points is not None and points >= 0),
        ],
    ]


def _small_budget(results: StudyResults) -> list[str]:
    least = BUDGETS[0]
    spent, best = PUBLISHED[least]
    ours, others = (
        _mean(results.of("paper", f"{name} {least:.1%}"), _SCORES["metric"])
        for name in (OURS, "all")
    )
    points = None if ours is None or others is None else _PERCENT * (ours - others)
    target = f"paper: at {least:.1%} of the full budget at least {best - spent:.1f} points"
    return [
        f"{target} above spend-all, as published",
        "unknown" if points is None else f"{points:+.1f} points",
        _met(points is not None and points >= best - spent),
    ]


def _fair(results: StudyResults, chapters: dict[str, Chapter]) -> list[str]:
    least = {
        name: min(row.jain for row in rows) for name in chapters if (rows := results.of(name, OURS))
    }
    worst = min(least, key=lambda name: least[name])
    return [
        f"Jain's index of participation at least {_LEAST_JAIN:g} everywhere",
        f"{least[worst]:.2f} at least ({worst})", _met(least[worst] >= _LEAST_JAIN),
    ]  # fmt: skip


def _patient(results: StudyResults, chapters: dict[str, Chapter]) -> list[str]:
    longest = {
        name: max(row.longest_wait_h for row in rows)
        for name in chapters
        if (rows := results.of(name, OURS))
    }
    worst = max(longest, key=lambda name: longest[name])
    patience_h = policy_options(OURS, {})["patience_h"]
    return [
        f"No available client left out for more than its patience, {patience_h:g} h",
        f"{longest[worst]:.0f} h at most ({worst})", _met(longest[worst] <= patience_h),
    ]  # fmt: skip


def _points_above(
    results: StudyResults, chapter: Chapter, other: str, figure: Callable[[Row], float | None]
) -> float | None:
    """Return how many hundredths ours has above another in the mean; `None` where not known."""
    ours, theirs = (_mean(results.of(chapter.name, name), figure) for name in (OURS, other))
    return None if ours is None or theirs is None else _PERCENT * (ours - theirs)


def _mean(rows: list[Row], figure: Callable[[Row], float | None]) -> float | None:
    known = [value for row in rows if (value := figure(row)) is not None]
    return fmean(known) if known else None


def _met(met: bool) -> str:  # noqa: FBT001 - a yes or no is what it shows
    return "yes" if met else "**no**"
