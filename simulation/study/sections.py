"""Sections of the study's page: forecasts, parameters, idle machines, and a published table."""

from __future__ import annotations

from statistics import fmean

from simulation.study.all_chapters import BUDGETS
from simulation.study.cells import duel_cell, labelled, markdown, reached, spread
from simulation.study.comparison import OURS, arrived, duel, grams_with_idle
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.measures import TARGET_SHARE

PUBLISHED = {
    0.057: (93.90, 98.26), 0.077: (95.03, 98.27), 0.097: (95.83, 98.33), 0.20: (97.42, 98.86),
    0.82: (98.82, 99.02),
}  # fmt: skip
"""Accuracies in % of the baseline and of the best with one closing round, from the paper's table:
Richards Arputharaj et al., arXiv 2509.08980, MNIST, three seeds."""

_PERCENT = 100


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
    lines = []
    for name in [OURS, *(contender.name for contender in tuned)]:
        rows = results.of(chapter.name, name)
        figures = (
            ([row.final for row in rows], 3), ([row.worst for row in rows], 3),
            ([row.jain for row in rows], 2), ([row.gco2eq for row in rows], None),
        )  # fmt: skip
        lines.append([name if name != OURS else "defaults", reached(rows),
                      *(spread(*some) for some in figures)])  # fmt: skip
    header = ["fairwind with", "g to target", "at the end", "worst site", "Jain", "g in all"]
    return f"**What its parameters do**, one at a time.\n\n{markdown(header, lines)}"


def idle(results: StudyResults, chapter: Chapter) -> str:
    """Return what waiting machines add, where a chapter's are reserved."""
    chance = results.of(chapter.name, chapter.reference)
    if not any(row.idle_wh for row in chance):
        return ""
    share = fmean(row.idle_wh / row.energy_wh for row in chance)
    lines = []
    for contender in chapter.of("policy"):
        name = contender.name
        points = [row.at(TARGET_SHARE) for row in results.of(chapter.name, name)]
        is_ours = name == OURS
        lines.append(
            [
                labelled(name), spread([point.gco2eq for point in points]),
                "" if is_ours else duel_cell(duel(results, chapter, name)),
                spread([point.with_idle_gco2eq for point in points]),
                "" if is_ours
                else duel_cell(duel(results, chapter, name, figure=grams_with_idle)),
                spread([point.hours for point in points]),
            ]
        )  # fmt: skip
    header = [
        "policy", "g to 98 %, idle at 0", "fairwind / it", "g with idle", "fairwind / it", "h",
    ]  # fmt: skip
    text = (
        "**With idle machines counted**: while they wait, all machines together use "
        f"{share:.0%} of what `{chapter.reference}` uses for work. Idle emissions grow with the "
        "machines' idle power and with the hours."
    )
    return f"{text}\n\n{markdown(header, lines)}"


def published(results: StudyResults, chapter: Chapter) -> str:
    """Return our figures beside a paper's."""
    lines = []
    for share in BUDGETS:
        ours = [
            spread([_percent(row.final) for row in results.of(chapter.name, f"{n} {share:.1%}")], 1)
            for n in ("all", "alpha_fair", OURS)
        ]
        lines.append([f"{share:.1%}", *(f"{v:.2f}" for v in PUBLISHED[share]), *ours])
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
        "whose accuracies are lower; three starts instead of a whole year; `alpha_fair` is planned "
        "anew every hour and has no closing round. "
        f"Without any budget, all clients reach {free} here."
    )
    return f"{text}\n\n{markdown(header, lines)}"


def _percent(value: float | None) -> float | None:
    return None if value is None else _PERCENT * value
