"""Comparing: where `fairwind` stands in a chapter, and which targets that meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.measures import Row
from simulation.study.statistics import holm, paired_p

OURS = "fairwind"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where ours stands in a chapter; `best` names the best published policy, if one arrived."""

    results: StudyResults
    chapter: Chapter
    best: str | None

    @property
    def ours(self) -> list[Row]:
        """Our runs."""
        return self.rows(OURS)

    def rows(self, name: str) -> list[Row]:
        """Return a contender's runs."""
        return self.results.of(self.chapter.name, name)

    def ratio(self, name: str | None) -> float | None:
        """Return our mean grams to the target over another's; `None` unless all runs arrived."""
        ours, theirs = arrived(self.ours), arrived(self.rows(name)) if name else None
        return ours / theirs if ours and theirs else None


def arrived(rows: Sequence[Row]) -> float | None:
    """Return the mean grams to the target, `None` unless every run reached it."""
    grams = [row.grams_to_target for row in rows if row.grams_to_target is not None]
    return fmean(grams) if grams and len(grams) == len(rows) else None


def compare(results: StudyResults, chapter: Chapter) -> Comparison:
    """Return where ours stands in a chapter."""
    costs = {
        contender.name: cost
        for contender in chapter.of("policy")
        if contender.published and (cost := arrived(results.of(chapter.name, contender.name)))
    }
    return Comparison(results, chapter, min(costs, key=lambda name: costs[name], default=None))


def holm_p(results: StudyResults, chapter: Chapter) -> dict[str, float]:
    """Return, for each contender that always arrived, how likely its distance to ours is chance.

    Two-sided paired t-tests on the logarithm of grams to the target over seeds, corrected by Holm's
    method for their number.
    """
    ours = _grams(results.of(chapter.name, OURS))
    found = {}
    for contender in chapter.of("policy"):
        theirs = _grams(results.of(chapter.name, contender.name))
        if ours and theirs and contender.name != OURS:
            found[contender.name] = paired_p(ours, theirs)
    return dict(zip(found, holm(list(found.values())), strict=True))


def _grams(rows: Sequence[Row]) -> list[float]:
    """Return the grams to the target by seed; nothing unless every run reached it."""
    grams = [row.grams_to_target for row in rows if row.grams_to_target is not None]
    return grams if len(grams) == len(rows) else []
