"""The tables of the study that compare policies, in Markdown."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from simulation.study.cells import (
    NOTHING,
    duel_cell,
    labelled,
    markdown,
    reached,
    spread,
)
from simulation.study.comparison import OURS, best_published, duel, duels, equal_pairs, hours
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.field import SPLIT, chain
from simulation.study.measures import TARGET_SHARE, TARGET_SHARES, Row

_COLUMNS: dict[str, tuple[Callable[[Row], float | None], int | None]] = {
    "at 10 %": (lambda row: row.at_small, 3),
    "at 30 %": (lambda row: row.at_large, 3),
    "at the end": (lambda row: row.final, 3),
    "worst site": (lambda row: row.worst, 3),
    "forgetting": (lambda row: row.forgetting, 3),
    "Jain": (lambda row: row.jain, 2),
    "weight elsewhere": (lambda row: row.elsewhere, 2),
    "least": (lambda row: row.least, 1),
    "longest wait, h": (lambda row: row.longest_wait_h, 0),
    "g in all": (lambda row: row.gco2eq, None),
    "Wh in all": (lambda row: row.energy_wh, 0),
}
"""Further figures of each policy, with the digits behind the point."""


def summary(results: StudyResults) -> str:
    """Return a line for each chapter: ours over chance, over `alpha_fair`, and over the best."""
    lines = []
    for chapter in results.chapters:
        if chapter.reference != "random":
            continue
        best = best_published(results, chapter)
        ours = results.of(chapter.name, OURS)
        lines.append(
            [
                chapter.name, reached(ours),
                duel_cell(duel(results, chapter, "random")),
                duel_cell(duel(results, chapter, "alpha_fair")),
                f"{duel_cell(duel(results, chapter, best))} ({best})" if best else NOTHING,
                duel_cell(duel(results, chapter, "random", figure=hours)),
                spread([row.jain for row in ours], 2),
            ]
        )  # fmt: skip
    header = [
        "scenario", "fairwind, g", "/ random", "/ alpha_fair", "/ best published",
        "hours / random", "Jain",
    ]  # fmt: skip
    return markdown(header, lines)


def losses(results: StudyResults, *, shares: tuple[float, ...] = TARGET_SHARES) -> str:
    """Return every rival and target at which ours loses beyond chance, the worst first."""
    lost = [
        found
        for chapter in results.chapters
        if chapter.reference == "random"
        for found in duels(results, chapter)
        if found.is_lost and found.share in shares
    ]
    if not lost:
        return "At no target, against no rival, does `fairwind` need more grams beyond chance."
    lost.sort(key=lambda found: -(found.ratio.mean if found.ratio else float("inf")))
    rows = [
        [found.chapter.name, labelled(found.other), f"{found.share:.0%}", duel_cell(found)]
        for found in lost
    ]
    return markdown(["scenario", "rival", "target", "g: fairwind / it"], rows)


def ratios(results: StudyResults, chapter: Chapter) -> str:
    """Return a line for each policy: grams, the paired ratio and hours, at every target."""
    header = ["policy"]
    for share in TARGET_SHARES:
        header += [f"g to {share:.0%}", "fairwind / it", "h"]
    lines = []
    for contender in chapter.of("policy"):
        rows = results.of(chapter.name, contender.name)
        line = [labelled(contender.name)]
        for share in TARGET_SHARES:
            is_ours = contender.name == OURS
            cell = "" if is_ours else duel_cell(duel(results, chapter, contender.name, share))
            line += [reached(rows, share), cell, spread([row.at(share).hours for row in rows])]
        lines.append(line)
    return markdown(header, lines)


def further(results: StudyResults, chapter: Chapter) -> str:
    """Return a line for each policy: accuracy, participation, and all that was spent."""
    lines = []
    for contender in chapter.of("policy"):
        own = results.of(chapter.name, contender.name)
        lines.append(
            [
                labelled(contender.name),
                *(spread([figure(row) for row in own], digits)
                  for figure, digits in _COLUMNS.values()),
            ]
        )  # fmt: skip
    return markdown(["policy", *_COLUMNS], lines)


def equals(results: StudyResults, chapter: Chapter) -> str:
    """Return policies with our local work and round size, at tuned learning rates, against ours."""
    pairs = equal_pairs(results, chapter)
    if not pairs:
        return ""
    ours = pairs[0][0]
    header = ["policy", *(f"g to {share:.0%}" for share in TARGET_SHARES)]
    header += [f"fairwind / it, {share:.0%}" for share in TARGET_SHARES]
    header += [f"h to {TARGET_SHARE:.0%}", "Jain", "worst site"]
    lines = []
    for name in (ours, *(other for _, other in pairs)):
        rows = results.of(chapter.name, name)
        against = [
            "" if name == ours else duel_cell(duel(results, chapter, name, share, ours=ours))
            for share in TARGET_SHARES
        ]
        lines.append(
            [
                name, *(reached(rows, share) for share in TARGET_SHARES), *against,
                spread([row.at(TARGET_SHARE).hours for row in rows]),
                spread([row.jain for row in rows], 2), spread([row.worst for row in rows], 3),
            ]
        )  # fmt: skip
    text = (
        "**With the same local work and round size**, and each policy at its tuned learning rate. "
        "What is left is the choice of clients: a ratio above 1 is the price of even participation."
    )
    return f"{text}\n\n{markdown(header, lines)}"


def split(results: StudyResults, chapter: Chapter) -> str:
    """Return what each rule contributes: the ratio of grams with it over those without."""
    if not chapter.of("ablation"):
        return ""
    names = chain()

    def cells(with_it: str, without: str) -> list[str]:
        return [
            duel_cell(duel(results, chapter, without, share, ours=with_it))
            for share in TARGET_SHARES
        ]

    steps = [
        [step, *cells(with_it, without)]
        for step, (without, with_it) in zip(SPLIT, pairwise(names), strict=True)
    ]
    whole = ["all of it", *cells(names[-1], names[0])]
    header = ["switched on", *(f"g to {share:.0%}, with / without" for share in TARGET_SHARES)]
    text = (
        "**What each rule contributes**, switched on one after the other, from `random` to "
        "`fairwind`. The lines multiply to the last one; in another order each would contribute "
        "another part. *Time* is the choice of clients whose hour is clean: no round waits."
    )
    return f"{text}\n\n{markdown(header, [*steps, whole])}"
