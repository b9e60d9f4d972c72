"""What is measured of one run: a line of the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import fmean

from common.errors import SettingError
from simulation.outcome import Outcome, RoundOutcome
from simulation.ports.site import make_sites
from simulation.scenario.hours import Hours
from simulation.scenario.scenario import Scenario
from simulation.study.contender import Chapter, Contender

LAST = 5
"""Versions whose mean is a run's final metric: one alone goes up and down."""

IN_A_ROW = 3
"""Versions whose mean has to reach the target, for the same reason."""

TARGET_SHARE = 0.98
"""The target that is shown first, as a share of the unconstrained run's final metric."""

TARGET_SHARES = (0.95, TARGET_SHARE, 0.99)

SMALL, LARGE = 0.1, 0.3
"""Gram budgets at which accuracies are compared: shares of what the reference emits in all."""

_POINTS = 24
_FIGURES = 6
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Reached:
    """What a run needed to reach one target.

    Attributes:
        share: The target, as a share of the unconstrained run's final metric.
        gco2eq: All emissions of work until then; `None` if it was not reached.
        hours: From the start until then.
        with_idle_gco2eq: All emissions until then, also of reserved machines that waited.
    """

    share: float
    gco2eq: float | None
    hours: float | None
    with_idle_gco2eq: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run.

    Attributes:
        chapter, contender, group, forecast, seed: Which.
        at_small, at_large: The metric at the two gram budgets; `None` before the first version.
        final: The metric at the end; `None` if no version's is known.
        worst: Score at the site that is served worst, at the end; `None` if it is not known.
        jain: Jain's index of participation.
        elsewhere: The part of the weight that lies with other clients than the examples do; `None`
            if nothing counted.
        least: Fewest participations of a client.
        longest_wait_h: Most hours for which a client was available and took no part.
        gco2eq: All emissions of work.
        energy_wh: All energy of work.
        idle_wh: All energy of reserved machines that waited.
        forgetting: See `Outcome.forgetting`.
        rounds, hours, end: How far it came, and why no further.
        decisions, version: Digests of all cohorts, and of the last model.
        curve: Some points of gCO2eq and metric; empty where they are not drawn.
        reached: What it needed to reach each of `TARGET_SHARES`.
    """

    chapter: str
    contender: str
    group: str
    forecast: str
    seed: int
    at_small: float | None
    at_large: float | None
    final: float | None
    worst: float | None
    jain: float
    elsewhere: float | None
    least: int
    longest_wait_h: float
    gco2eq: float
    energy_wh: float
    idle_wh: float
    forgetting: float | None
    rounds: int
    hours: float
    end: str
    decisions: str
    version: str
    curve: tuple[tuple[float, float], ...]
    reached: tuple[Reached, ...]

    def at(self, share: float) -> Reached:
        """Return what it needed to reach a target."""
        return next(point for point in self.reached if point.share == share)

    @property
    def grams_to_target(self) -> float | None:
        """All emissions until it reached the target of 98 %, gCO2eq; `None` if it did not."""
        return self.at(TARGET_SHARE).gco2eq


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What the runs of a chapter are held against: a target, and what the reference emits."""

    metric: str
    target: float
    reference_gco2eq: float


def final(outcome: Outcome, metric: str) -> float | None:
    """Return the mean of the metric over the last versions; `None` if there is none."""
    values = [r.metrics[metric] for r in outcome.rounds if metric in r.metrics]
    return fmean(values[-LAST:]) if values else None


def yardstick(metric: str, free: Sequence[Outcome], reference: Sequence[Outcome]) -> Yardstick:
    """Return what the runs of a chapter are held against.

    Args:
        metric: The chapter's.
        free: The unconstrained runs.
        reference: Those whose emissions budgets are shares of.

    Raises:
        SettingError: If the unconstrained runs have no version whose metric is known.
    """
    finals = [value for outcome in free if (value := final(outcome, metric)) is not None]
    if not finals:
        msg = (
            f"No version of the unconstrained runs has a known {metric}, so there is no target to "
            "measure the others by. Give the chapter a metric that its workload reports."
        )
        raise SettingError(msg)
    best = fmean(finals)
    target = best / TARGET_SHARE if free[0].lower_is_better else TARGET_SHARE * best
    return Yardstick(metric, target, fmean(outcome.gco2eq for outcome in reference))


def measure(
    chapter: Chapter, contender: Contender, seed: int, *, outcome: Outcome, by: Yardstick
) -> Row:
    """Return the measures of a run."""
    course = smoothed(outcome.rounds, by.metric)
    return Row(
        chapter=chapter.name, contender=contender.name, group=contender.group,
        forecast=contender.forecast or chapter.base.forecast.mode, seed=seed,
        at_small=_at(course, SMALL * by.reference_gco2eq),
        at_large=_at(course, LARGE * by.reference_gco2eq),
        final=_known(final(outcome, by.metric)), worst=_worst(outcome),
        jain=_short(outcome.jain()),
        elsewhere=_known(outcome.applied.total_variation if outcome.applied else None),
        least=min(outcome.participations.values()),
        longest_wait_h=_short(_waited_h(chapter.scenario(contender, seed), outcome)),
        gco2eq=_short(outcome.gco2eq), energy_wh=_short(outcome.energy_wh),
        idle_wh=_short(outcome.idle_wh),
        forgetting=_known(outcome.forgetting()),
        rounds=len(outcome.rounds), hours=_short(outcome.hours), end=outcome.end_reason,
        decisions=outcome.decisions[:_SHOWN], version=outcome.version[:_SHOWN],
        curve=_thinned(course) if contender.group == "policy" else (),
        reached=tuple(
            _reached(course, share, by, lower=outcome.lower_is_better) for share in TARGET_SHARES
        ),
    )  # fmt: skip


def smoothed(rounds: Sequence[RoundOutcome], metric: str) -> list[tuple[RoundOutcome, float]]:
    """Return each round with the mean of the metric over it and the two before, from the third."""
    scored = [r for r in rounds if metric in r.metrics]
    return [
        (scored[n], fmean(r.metrics[metric] for r in scored[n - IN_A_ROW + 1 : n + 1]))
        for n in range(IN_A_ROW - 1, len(scored))
    ]


def _reached(
    course: Sequence[tuple[RoundOutcome, float]], share: float, by: Yardstick, *, lower: bool
) -> Reached:
    """Return what the first round whose version reached a target had emitted and lasted."""
    target = by.target * (TARGET_SHARE / share if lower else share / TARGET_SHARE)
    sign = -1 if lower else 1
    found = next((r for r, value in course if sign * value >= sign * target), None)
    if found is None:
        return Reached(share, None, None, None)
    return Reached(
        share, _short(found.spent_gco2eq), _short(found.ended_h),
        _known(found.spent_with_idle_gco2eq),
    )  # fmt: skip


def _waited_h(scenario: Scenario, outcome: Outcome) -> float:
    hours = {name: site.hours for name, site in make_sites(scenario).items()}
    return longest_wait_h(outcome, hours, start=scenario.start)


def longest_wait_h(outcome: Outcome, hours: Mapping[str, Hours], *, start: datetime) -> float:
    """Return the most hours for which a client was available and took no part.

    They count from the first round to the next participation, and to the end. Hours in which a
    client was away do not count: no policy can invite it.

    Args:
        outcome: Of the run.
        hours: When each client was there; always if it is missing.
        start: Of the run.
    """
    began = outcome.rounds[0].started_h if outcome.rounds else 0.0
    waits: list[timedelta] = []
    for client in outcome.participations:
        there = hours.get(client, Hours())
        took_part = [r.started_h for r in outcome.rounds if client in r.cohort]
        instants = [start + timedelta(hours=h) for h in (began, *took_part, outcome.hours)]
        for last, later in pairwise(instants):
            spans = there.on_spans(last, later)
            waits.append(sum((end - begin for begin, end in spans), timedelta()))
    return max(waits) / timedelta(hours=1)


def _at(course: Sequence[tuple[RoundOutcome, float]], budget_gco2eq: float) -> float | None:
    within = [value for r, value in course if r.spent_gco2eq <= budget_gco2eq]
    return _short(within[-1]) if within else None


def _worst(outcome: Outcome) -> float | None:
    """Return the mean, over the last versions, of the score at the site served worst."""
    least = [worst for r in outcome.rounds if (worst := outcome.worst_score(r)) is not None]
    return _short(fmean(least[-LAST:])) if least else None


def _thinned(course: Sequence[tuple[RoundOutcome, float]]) -> tuple[tuple[float, float], ...]:
    count = min(_POINTS, len(course))
    places = {round(n * (len(course) - 1) / max(1, count - 1)) for n in range(count)}
    return tuple(
        (float(f"{course[n][0].spent_gco2eq:.4g}"), float(f"{course[n][1]:.4g}"))
        for n in sorted(places)
    )


def _known(value: float | None) -> float | None:
    return None if value is None else _short(value)


def _short(value: float) -> float:
    return float(f"{value:.{_FIGURES}g}")
