"""The pages of the study: what was compared, what came out, and which targets that meets."""

from __future__ import annotations

from simulation.study import policy_tables
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.sections import forecasts, parameters, published, targets

_MEASURES = (
    "**How to read it.** All policies run on the same grids, clients, data and seeds; gates "
    "are open, so that policies are compared and not the gate. The *target* is 98 % of the "
    "final metric of the unconstrained run (`all`: all clients in every round); *final* is the "
    "mean of a run's last five versions, and the target is reached when three versions in a "
    "row reach it in the mean. *g to target* counts all emissions until then, lost work "
    "included. A policy that misses the target with some seeds is shown as `3 of 5`, and "
    "has no mean. *at 10 %* and *at 30 %*: the metric when a run has spent so much of what "
    "`random` emits in all. *worst site*: the accuracy at the client that is served worst, by the "
    "labels it holds. *least*: the fewest participations of a client. *longest wait*: the "
    "most hours any client took no part. ± is the 95 % confidence interval over seeds "
    "(Student's t); *p* is of a paired t-test against `fairwind` on the logarithm of g to "
    "target, corrected by Holm's method. `carbon_oort`, `cafe` and `alpha_fair` need a gram "
    "budget and get half of what `random` emits. `oracle` knows the whole future of the "
    "grids and plans the fewest grams for all rounds; it does not know what a round learns, "
    "so another policy may reach the target with less. Published policies are as published and "
    "not tuned; ours "
    "has its defaults."
)


_QUICK = (
    "Grids are modelled (`typical_day`), forecasts have drawn errors like a provider's (`ar1`), "
    "100 clients learn `digits`. [The full study](README.md) is on real traces."
)


def page_of(results: StudyResults, made: str) -> str:
    """Return the page of the full study."""
    parts = [
        "# The study", made, "## In short", opening(results), targets(results), _MEASURES,
        "![Grams to target](grams.svg)",
    ]  # fmt: skip
    for chapter in results.chapters:
        parts += _chapter(results, chapter)
    return "\n\n".join(part for part in parts if part) + "\n"


def quick_page_of(results: StudyResults, made: str) -> str:
    """Return the page of the quick study."""
    parts = [
        "# The quick study",
        made,
        _QUICK,
        opening(results),
        _MEASURES,
        "![Grams to target](quick-grams.svg)",
    ]
    for chapter in results.chapters:
        parts += [_heading(results, chapter), policy_tables.policies(results, chapter)]
    return "\n\n".join(parts) + "\n"


def opening(results: StudyResults) -> str:
    """Return the table of all chapters."""
    return policy_tables.summary(results)


def _heading(results: StudyResults, chapter: Chapter) -> str:
    by = results.yardsticks[chapter.name]
    return (
        f"## {chapter.name}\n\n{chapter.title}. Target: {by.metric} {by.target:.3f}. "
        f"`{chapter.reference}` emits {by.reference_gco2eq:.0f} g in all."
    )


def _chapter(results: StudyResults, chapter: Chapter) -> list[str]:
    if chapter.reference == "all":
        return [_heading(results, chapter), published(results, chapter)]
    return [
        _heading(results, chapter), chapter.about,
        f"![{chapter.name}: the metric against emissions](curve-{chapter.name}.svg)",
        policy_tables.policies(results, chapter), forecasts(results, chapter),
        parameters(results, chapter),
    ]  # fmt: skip
