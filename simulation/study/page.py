"""The pages of the study: what was compared, what came out, and which targets that meets."""

from __future__ import annotations

from simulation.study import policy_tables
from simulation.study.conduct import StudyResults
from simulation.study.contender import Chapter
from simulation.study.field import RATES
from simulation.study.sections import forecasts, idle, parameters, published
from simulation.study.targets import targets

_LOSSES = (
    "Every rival and target at which it needs more beyond chance, the worst first. "
    "[Why, and what to do](losses.md)."
)

_SHORT = (
    "Grams to 98 % of the unconstrained run's metric, and ratios of grams; the last ratio is of "
    "hours."
)

_HOW = (
    "**How to read it.** All policies run on the same grids, clients, data and seeds; gates are "
    "open, so that policies are compared and not the gate. Each seed starts at a date of its own, "
    "the same for all policies, so that intervals contain weather. *Targets* are 95, 98 and 99 % "
    "of the final metric of the unconstrained run (`all`: all clients in every round); *final* is "
    "the mean of a run's last five versions, and a target is reached when three versions in a row "
    "reach it in the mean. *g* counts all emissions until then, lost work included, *h* all hours. "
    "A ratio is `fairwind` over the policy: below 1 it needs less. It is the geometric mean of the "
    "ratios of pairs of one seed and date, with its 95 % interval (Student's t on their "
    "logarithms); bold where the interval lies on one side of 1. A policy that misses the target "
    "with some seeds is shown as `3 of 5`, and has no mean and no ratio. ± is the 95 % interval "
    "over seeds. *at 10 %* and *at 30 %*: the metric when a run has spent so much of what `random` "
    "emits in all. *worst site*: the accuracy at the client that is served worst, by the labels it "
    "holds. *least*: the fewest participations of a client. *longest wait*: the most hours any "
    "available client took no part."
)

_WHO = (
    "**Who is compared.** Published policies are as published, in rounds of ten updates. "
    "`carbon_oort`, `cafe` and `alpha_fair` need a gram budget and get half of what `random` "
    "emits. `disco_rule` is the rule of the project that Fairwind grew from. `greedy` and "
    "`threshold` are weak anchors: a win over them shows little. `oracle` and `all` are bounds, "
    "not rivals: `oracle` knows the whole future of the grids and plans the fewest grams for all "
    "rounds; it does not know what a round learns, so another policy may reach the target with "
    "less. `fairwind` has its defaults, in rounds of five updates: it does not wait, and "
    "`fairwind, wait` does. EcoLearn (arXiv 2310.17972) is not among them: it has no public code, "
    "and its paper's formulas could not be had to rebuild it; `carbon_oort` is near its idea."
)

_QUICK = (
    "Grids are modelled (`typical_day`), forecasts have drawn errors like a provider's (`ar1`), "
    "100 clients learn `digits`. [The full study](README.md) is on real traces, and has a year "
    "that is held out."
)

_HELD_OUT = (
    "**Nothing was chosen on it**: no policy, no option, no default, no learning rate. Its "
    "forecasts have drawn errors (`ar1`), of a size measured in 2021, as none were recorded, and "
    "the constants of our own forecast were partly chosen on this year."
)


def page_of(results: StudyResults, made: str) -> str:
    """Return the page of the full study."""
    parts = [
        "# The study", made, *_opening(results, "grams.svg"), "## Targets set beforehand",
        targets(results),
    ]  # fmt: skip
    for chapter in results.chapters:
        parts += _chapter(results, chapter)
    return "\n\n".join(part for part in parts if part) + "\n"


def quick_page_of(results: StudyResults, made: str) -> str:
    """Return the page of the quick study."""
    parts = ["# The quick study", made, _QUICK, *_opening(results, "quick-grams.svg")]
    for chapter in results.chapters:
        parts += [_heading(results, chapter), *_compared(results, chapter)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _opening(results: StudyResults, picture: str) -> list[str]:
    return [
        "## Where fairwind loses", _LOSSES, policy_tables.losses(results),
        "## In short", _SHORT, policy_tables.summary(results), _HOW, _WHO, _rates(results),
        f"![Grams to target]({picture})",
    ]  # fmt: skip


def _rates(results: StudyResults) -> str:
    if not results.rates:
        return ""
    chosen = ", ".join(f"{name} {rate:g}" for name, rate in results.rates.items())
    training = [c.name for c in results.chapters if c.of("equal") and not c.is_held_out]
    return (
        f"**Learning rates** of policies with our work and rounds, chosen among "
        f"{' and '.join(f'{rate:g}' for rate in RATES)} times the usual one by most runs at the "
        f"target of 98 %, then by fewest grams, on {' and '.join(training)}: {chosen}."
    )


def _heading(results: StudyResults, chapter: Chapter) -> str:
    by = results.yardsticks[chapter.name]
    starts = ", ".join(start.date().isoformat() for start in chapter.starts)
    return (
        f"## {chapter.name}\n\n{chapter.title}. Starts: {starts}. Target of 98 %: {by.metric} "
        f"{by.target:.3f}. `{chapter.reference}` emits {by.reference_gco2eq:.0f} g in all."
    )


def _compared(results: StudyResults, chapter: Chapter) -> list[str]:
    return [
        policy_tables.ratios(results, chapter), policy_tables.further(results, chapter),
        policy_tables.equals(results, chapter), policy_tables.split(results, chapter),
    ]  # fmt: skip


def _chapter(results: StudyResults, chapter: Chapter) -> list[str]:
    if chapter.reference == "all":
        return [_heading(results, chapter), published(results, chapter)]
    return [
        _heading(results, chapter), _HELD_OUT if chapter.is_held_out else "",
        f"![{chapter.name}: the metric against emissions](curve-{chapter.name}.svg)",
        *_compared(results, chapter), idle(results, chapter), forecasts(results, chapter),
        parameters(results, chapter),
    ]  # fmt: skip
