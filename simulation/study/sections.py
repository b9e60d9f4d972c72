"""Sections of the study's page: targets, forecasts, parameters, and a published table."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from scheduler.policies.policy import policy_options
from simulation.study.all_chapters import BUDGETS
from simulation.study.comparison import OURS, Comparison, arrived, compare
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.field import FIELD
from simulation.study.measures import Row
from simulation.study.policy_tables import markdown, ratio, reached, spread

_PUBLISHED = {
    0.057: (93.90, 98.26), 0.077: (95.03, 98.27), 0.097: (95.83, 98.33), 0.20: (97.42, 98.86),
    0.82: (98.82, 99.02),
}  # fmt: skip
"""Accuracies in % of the baseline and of the best with one closing round, from the paper's table:
Richards Arputharaj et al., arXiv 2509.08980, MNIST, three seeds."""

_PERCENT = 100


def targets(results: StudyResults) -> str:
    """Return which of the targets set beforehand are met, with the figures."""
    standings = {
        chapter.name: compare(results, chapter)
        for chapter in results.chapters
        if chapter.reference == "random"
    }
    rows = [line for name in ("real", "mixed") if name in standings
            for line in _saving(standings[name])]  # fmt: skip
    if "paper" in results.yardsticks:
        rows.append(_small_budget(results))
    if "flat" in standings:
        rows.append(_no_harm(standings["flat"]))
    if standings:
        rows += [_fair(standings), _patient(standings)]
    return markdown(["target, set beforehand", "found", "met"], rows) if rows else ""


def _saving(found: Comparison) -> list[list[str]]:
    name, lines = found.chapter.name, []
    bounds = (("random", 0.5), (found.best, 0.85), ("oracle", 1.1))
    for other, most in bounds:
        value = found.ratio(other)
        lines.append(
            [
                f"{name}: grams to target at most {most:g} of {other or 'the best published'}",
                ratio(value), _met(value is not None and value <= most),
            ]
        )  # fmt: skip
    for what, figure in _SCORES.items():
        free, ours = (_mean(found.rows(n), figure) for n in ("all", OURS))
        if free is not None and ours is not None:
            lines.append(
                [
                    f"{name}: {what} within 1 point of the unconstrained run",
                    f"{_PERCENT * (ours - free):+.1f} points", _met(ours >= free - 0.01),
                ]
            )  # fmt: skip
    return lines


_SCORES: dict[str, Callable[[Row], float | None]] = {
    "metric": lambda row: row.final,
    "worst site": lambda row: row.worst,
}


def _small_budget(results: StudyResults) -> list[str]:
    least = BUDGETS[0]
    baseline, best = _PUBLISHED[least]
    ours, others = (_of(results, name, least) for name in (OURS, "all"))
    points = None if ours is None or others is None else _PERCENT * (ours - others)
    target = f"paper: at {least:.1%} of the full budget at least {best - baseline:.1f} points"
    return [
        f"{target} above spend-all, as published", _points(points),
        _met(points is not None and points >= best - baseline),
    ]  # fmt: skip


def _no_harm(found: Comparison) -> list[str]:
    grams = found.ratio("random")
    ours, chance = (_mean(found.rows(n), _SCORES["metric"]) for n in (OURS, "random"))
    points = None if ours is None or chance is None else _PERCENT * (ours - chance)
    return [
        "flat: no worse than random in grams to target and in the metric",
        f"{ratio(grams)} of its grams, {_points(points)}",
        _met(grams is not None and grams <= 1 and points is not None and points >= 0),
    ]  # fmt: skip


def _fair(standings: dict[str, Comparison]) -> list[str]:
    least = {n: min(row.jain for row in s.ours) for n, s in standings.items() if s.ours}
    worst = min(least, key=lambda name: least[name])
    return [
        "Jain's index of participation at least 0.8 everywhere",
        f"{least[worst]:.2f} at least ({worst})", _met(least[worst] >= 0.8),  # noqa: PLR2004
    ]  # fmt: skip


def _patient(standings: dict[str, Comparison]) -> list[str]:
    longest = {n: max(row.longest_wait_h for row in s.ours) for n, s in standings.items()}
    worst = max(longest, key=lambda name: longest[name])
    patience_h = policy_options(OURS, {})["patience_h"]
    return [
        f"No client left out for more than its patience, {patience_h:g} h",
        f"{longest[worst]:.0f} h at most ({worst})", _met(longest[worst] <= patience_h),
    ]  # fmt: skip


def forecasts(results: StudyResults, chapter: Chapter) -> str:
    """Return what more or less forecast skill is worth; regret is against the true forecast."""
    known = {row.forecast for row in results.rows
             if row.chapter == chapter.name and row.group == "forecast"}  # fmt: skip
    if not known:
        return ""
    usual = chapter.base.forecast.mode
    modes = ["perfect", *sorted({usual, *known} - {"perfect"})]
    names = dict.fromkeys(c.name for c in chapter.of("forecast"))
    lines = []
    for name in names:
        best = arrived(results.of(chapter.name, name, "perfect"))
        cells = []
        for mode in modes:
            rows = results.of(chapter.name, name, None if mode == usual else mode)
            cost = arrived(rows)
            regret = f" ({cost / best - 1:+.0%})" if best and cost and mode != "perfect" else ""
            cells.append(reached(rows) + regret)
        lines.append([name, *cells])
    text = (
        "**What forecasts are worth**: g to target, and in brackets the regret: how much more that "
        "is than with the true forecast."
    )
    picture = f"![What forecasts are worth](forecast-{chapter.name}.svg)"
    return f"{text}\n\n{picture}\n\n{markdown(['policy', *modes], lines)}"


def parameters(results: StudyResults, chapter: Chapter) -> str:
    """Return what each parameter of ours does, one at a time."""
    tuned = chapter.of("parameter")
    if not tuned:
        return ""
    names = ["fairwind", *(contender.name for contender in tuned)]
    lines = []
    for name in names:
        rows = [row for row in results.rows if (row.chapter, row.contender) == (chapter.name, name)
                and row.group in ("policy", "parameter")]  # fmt: skip
        figures = (
            ([row.final for row in rows], 3), ([row.worst for row in rows], 3),
            ([row.jain for row in rows], 2), ([row.gco2eq for row in rows], None),
        )  # fmt: skip
        lines.append([name if name != OURS else "defaults", reached(rows),
                      *(spread(*some) for some in figures)])  # fmt: skip
    header = ["fairwind with", "g to target", "at the end", "worst site", "Jain", "g in all"]
    return f"**What its parameters do**, one at a time.\n\n{markdown(header, lines)}"


def published(results: StudyResults, chapter: Chapter) -> str:
    """Return our figures beside a paper's."""
    lines = []
    for share in BUDGETS:
        ours = [
            spread([_percent(row.final) for row in results.of(chapter.name, f"{n} {share:.1%}")], 1)
            for n in ("all", "alpha_fair", OURS)
        ]
        lines.append([f"{share:.1%}", *(f"{v:.2f}" for v in _PUBLISHED[share]), *ours])
    free = spread([_percent(row.final) for row in results.of(chapter.name, "all")], 1)
    header = [
        "budget", "published: spend-all", "published: best", "here: all", "here: alpha_fair",
        "here: fairwind",
    ]  # fmt: skip
    text = (
        "Accuracy in %. The setting of Richards Arputharaj et al., arXiv 2509.08980: BE, GB, IE, "
        "FI, SE, DE and FR in 2022, Dirichlet 0.5, five local steps of 128, all clients every hour "
        "until the budget is spent, against plans with 100 hours of slack. Budgets are shares of "
        "what all clients emit in 100 rounds. What differs: they learn MNIST with a convolutional "
        "network, here it is `digits` with a small one (640 examples a client, drawn from 1,437), "
        "whose accuracies are lower; one start instead of a whole year; `alpha_fair` is planned "
        "anew every hour and has no closing round. "
        f"Without any budget, all clients reach {free} here."
    )
    return f"{text}\n\n{markdown(header, lines)}"


def _of(results: StudyResults, name: str, share: float) -> float | None:
    return _mean(results.of("paper", f"{FIELD[name].name} {share:.1%}"), lambda row: row.final)


def _percent(value: float | None) -> float | None:
    return None if value is None else _PERCENT * value


def _points(difference: float | None) -> str:
    return "unknown" if difference is None else f"{difference:+.1f} points"


def _mean(rows: list[Row], figure: Callable[[Row], float | None]) -> float | None:
    known = [value for row in rows if (value := figure(row)) is not None]
    return fmean(known) if known else None


def _met(met: bool) -> str:  # noqa: FBT001 - a yes or no is what it shows
    return "yes" if met else "**no**"
