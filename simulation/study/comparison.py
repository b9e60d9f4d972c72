"""Comparing: where one contender stands against another, in ratios of runs paired by seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.field import at_rate
from simulation.study.measures import TARGET_SHARE, TARGET_SHARES, Reached, Row
from simulation.study.statistics import PairedRatio, paired_ratio

OURS = "fairwind"

WEAK_ANCHORS = ("greedy", "threshold")
"""Policies that are easy to beat: `greedy` trains the same few sites, `threshold` waits for what
may never come. A win over them shows little."""

BOUNDS = ("oracle", "all")
"""No rivals: the one knows the future, the other sets the targets."""

Figure = Callable[[Reached], float | None]


def grams(point: Reached) -> float | None:
    """Return all emissions of work until a target, gCO2eq."""
    return point.gco2eq


def grams_with_idle(point: Reached) -> float | None:
    """Return the same with those of reserved machines that waited."""
    return point.with_idle_gco2eq


def hours(point: Reached) -> float | None:
    """Return the hours until a target."""
    return point.hours


@dataclass(frozen=True, slots=True)
class Duel:
    """One contender against another at one target.

    Attributes:
        chapter, ours, other, share: Which.
        arrived: How many runs of each reached the target.
        ratio: Of ours over the other's; `None` unless all runs of both reached it.
    """

    chapter: Chapter
    ours: str
    other: str
    share: float
    arrived: tuple[int, int]
    ratio: PairedRatio | None

    @property
    def is_lost(self) -> bool:
        """Whether the other needs less beyond chance, or reaches the target more often."""
        if self.ratio is None:
            return self.arrived[0] < self.arrived[1]
        return self.ratio.low is not None and self.ratio.low > 1


def duel(
    results: StudyResults,
    chapter: Chapter,
    other: str,
    share: float = TARGET_SHARE,
    *,
    ours: str = OURS,
    figure: Figure = grams,
) -> Duel:
    """Return how one contender stands against another.

    Args:
        results: Of the study.
        chapter: Where they meet.
        other: The other.
        share: The target, as a share of the unconstrained run's final metric.
        ours: The one.
        figure: What is compared.
    """
    mine, theirs = (
        [figure(row.at(share)) for row in results.of(chapter.name, name)] for name in (ours, other)
    )
    known = [[value for value in some if value is not None] for some in (mine, theirs)]
    is_whole = bool(mine) and len(known[0]) == len(known[1]) == len(mine) == len(theirs)
    ratio = paired_ratio(known[0], known[1]) if is_whole else None
    return Duel(chapter, ours, other, share, (len(known[0]), len(known[1])), ratio)


def duels(results: StudyResults, chapter: Chapter) -> Iterator[Duel]:
    """Yield ours against every rival of a chapter at every target, and equals against ours."""
    rivals = [
        c.name
        for c in chapter.of("policy")
        if c.policy != OURS and c.name not in BOUNDS
    ]  # fmt: skip
    pairs = [(OURS, name) for name in rivals] + equal_pairs(results, chapter)
    for ours, other in pairs:
        for share in TARGET_SHARES:
            yield duel(results, chapter, other, share, ours=ours)


def equal_pairs(results: StudyResults, chapter: Chapter) -> list[tuple[str, str]]:
    """Return ours and each policy with our work and round size, at the chosen learning rates."""
    known = {contender.name for contender in chapter.of("equal")}
    named = {name: at_rate(name, rate) for name, rate in results.rates.items()}
    if named.get(OURS) not in known:
        return []
    return [(named[OURS], other) for name, other in named.items() if name != OURS]


def arrived(rows: Sequence[Row]) -> float | None:
    """Return the mean grams to the target of 98 %, `None` unless every run reached it."""
    known = [row.grams_to_target for row in rows if row.grams_to_target is not None]
    return fmean(known) if known and len(known) == len(rows) else None


def best_published(results: StudyResults, chapter: Chapter) -> str | None:
    """Return the published policy of least mean grams to the target; `None` if none arrived."""
    costs = {
        contender.name: cost
        for contender in chapter.of("policy")
        if contender.published and (cost := arrived(results.of(chapter.name, contender.name)))
    }
    return min(costs, key=lambda name: costs[name], default=None)
