"""The page of the dated study: losses first, then paired ratios, then what each rule adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from simulation.study.comparison import OURS
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.dated import SPLIT, chain
from simulation.study.measures import Reached, Row
from simulation.study.policy_tables import markdown, shown, spread
from simulation.study.statistics import PairedRatio, estimate, paired_ratio

WEAK_ANCHORS = ("greedy", "threshold")
"""Policies that are easy to beat: `greedy` trains the same few sites, `threshold` waits for what
may never come. A win over them shows little."""

BOUNDS = ("oracle", "all")
"""No rivals: the one knows the future, the other sets the targets."""

_HOW = (
    "**How to read it.** Each seed starts at a date of its own, the same for all policies, so "
    "intervals contain weather. *Targets* are 95, 98 and 99 % of the final metric of the "
    "unconstrained run (`all`). *g* counts all emissions until the target, *h* all hours. A ratio "
    "is `fairwind` over the policy: below 1 it needs less. It is the geometric mean of the ratios "
    "of pairs of one seed and date, with its 95 % interval (Student's t on their logarithms); bold "
    "where the interval lies on one side of 1. `3 of 5` runs that reached the target have no mean "
    "and no ratio. `greedy` and `threshold` are weak anchors: a win over them shows little. "
    "`oracle` and `all` are bounds, not rivals."
)


@dataclass(frozen=True, slots=True)
class Duel:
    """Ours against one other at one target; `ratio` is `None` unless all runs of both arrived."""

    chapter: str
    other: str
    share: float
    arrived: tuple[int, int]
    ratio: PairedRatio | None

    @property
    def is_lost(self) -> bool:
        """Whether the other needs less beyond chance, or arrives more often."""
        if self.ratio is None:
            return self.arrived[0] < self.arrived[1]
        return self.ratio.low is not None and self.ratio.low > 1


def dated_page_of(results: StudyResults, made: str) -> str:
    """Return the page."""
    parts = ["# The dated study", made, _HOW, "## Where fairwind loses", losses(results)]
    for chapter in results.chapters:
        starts = ", ".join(start.date().isoformat() for start in chapter.starts)
        by = results.yardsticks[chapter.name]
        head = f"## {chapter.name}\n\n{chapter.title}. Starts: {starts}. Metric: {by.metric}."
        parts += [head, ratios(results, chapter), split(results, chapter)]
    return "\n\n".join(parts) + "\n"


def losses(results: StudyResults) -> str:
    """Return every rival and target at which ours loses beyond chance, the worst first."""
    lost = [
        duel
        for chapter in results.chapters
        for duel in _duels(results, chapter)
        if duel.is_lost and duel.other not in BOUNDS
    ]
    if not lost:
        return "At no target, against no rival, does `fairwind` need more grams beyond chance."
    lost.sort(key=lambda duel: -(duel.ratio.mean if duel.ratio else float("inf")))
    rows = [
        [duel.chapter, _named(duel.other), f"{duel.share:.0%}", _arrivals(duel)]
        for duel in lost
    ]  # fmt: skip
    return markdown(["scenario", "rival", "target", "g: fairwind / it"], rows)


def ratios(results: StudyResults, chapter: Chapter) -> str:
    """Return a line for each contender: grams, the paired ratio and hours, at every target."""
    header = ["policy"]
    for share in chapter.shares:
        header += [f"g to {share:.0%}", "fairwind / it", "h"]
    lines = []
    for contender in (*chapter.of("policy"), *chapter.of("ablation")):
        rows = results.of(chapter.name, contender.name)
        line = [_named(contender.name)]
        for share in chapter.shares:
            at = [_at(row, share) for row in rows]
            hours = [point.hours for point in at]
            line += [
                _grams(at),
                "" if contender.name == OURS
                else _arrivals(_duel(results, chapter, contender.name, share)),
                spread(hours, 0),
            ]  # fmt: skip
        figures = ([row.jain for row in rows], [row.longest_wait_h for row in rows])
        lines.append([*line, spread(figures[0], 2), spread(figures[1], 0)])
    return markdown([*header, "Jain", "longest wait, h"], lines)


def split(results: StudyResults, chapter: Chapter) -> str:
    """Return what each rule contributes: the ratio of grams with it over those without."""
    names = chain()
    header = ["switched on", *(f"g to {share:.0%}, with / without" for share in chapter.shares)]
    steps = [
        [
            step,
            *(_ratio_cell(results, chapter, with_it, without, share) for share in chapter.shares),
        ]
        for step, (without, with_it) in zip(SPLIT, pairwise(names), strict=True)
    ]
    whole = [
        "all of it",
        *(_ratio_cell(results, chapter, names[-1], names[0], share) for share in chapter.shares),
    ]
    text = (
        "**What each rule contributes**, switched on one after the other, from `random` to "
        "`fairwind` with half rounds. The lines multiply to the last one; in another order each "
        "would contribute another part."
    )
    return f"{text}\n\n{markdown(header, [*steps, whole])}"


def _duels(results: StudyResults, chapter: Chapter) -> Iterator[Duel]:
    for contender in chapter.of("policy"):
        if contender.name != OURS:
            for share in chapter.shares:
                yield _duel(results, chapter, contender.name, share)


def _duel(
    results: StudyResults, chapter: Chapter, other: str, share: float, *, ours: str = OURS
) -> Duel:
    mine, theirs = (
        [_at(row, share).gco2eq for row in results.of(chapter.name, name)] for name in (ours, other)
    )
    known = [[value for value in some if value is not None] for some in (mine, theirs)]
    whole = bool(mine) and len(known[0]) == len(known[1]) == len(mine) == len(theirs)
    ratio = paired_ratio(known[0], known[1]) if whole else None
    return Duel(chapter.name, other, share, (len(known[0]), len(known[1])), ratio)


def _ratio_cell(
    results: StudyResults, chapter: Chapter, with_it: str, without: str, share: float
) -> str:
    return _arrivals(_duel(results, chapter, without, share, ours=with_it))


def _arrivals(duel: Duel) -> str:
    if duel.ratio is None:
        return f"{duel.arrived[0]} runs against {duel.arrived[1]} reached it"
    return shown_ratio(duel.ratio)


def shown_ratio(found: PairedRatio) -> str:
    """Return a ratio with its interval, bold where that lies on one side of 1.

    >>> shown_ratio(PairedRatio(0.5, 0.42, 0.6)), shown_ratio(PairedRatio(1.1, 0.9, 1.3))
    ('**0.50** [0.42, 0.60]', '1.10 [0.90, 1.30]')
    """
    if found.low is None or found.high is None:
        return f"{found.mean:.2f}"
    sure = found.high < 1 or found.low > 1
    mean = f"**{found.mean:.2f}**" if sure else f"{found.mean:.2f}"
    return f"{mean} [{found.low:.2f}, {found.high:.2f}]"


def _grams(points: Sequence[Reached]) -> str:
    grams = [point.gco2eq for point in points if point.gco2eq is not None]
    if len(grams) < len(points):
        return f"{len(grams)} of {len(points)}"
    return shown(estimate(grams)) if grams else "-"


def _at(row: Row, share: float) -> Reached:
    return next(point for point in row.reached if point.share == share)


def _named(name: str) -> str:
    if name in WEAK_ANCHORS:
        return f"{name} (weak anchor)"
    return f"{name} (bound)" if name in BOUNDS else name
