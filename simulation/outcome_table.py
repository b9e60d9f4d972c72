"""Outcomes as a table for people: a line for each policy, over all its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from common.command_line.screen import echo
from common.command_line.table import print_table
from common.units import show_duration, show_mass, show_share
from simulation.outcome import Outcome
from tasks.cli.figures import show_value

_S_PER_H = 3600


def print_outcomes(outcomes: Sequence[Outcome], *, metric: str) -> None:
    """Print outcomes, one line a policy; several seeds as their mean and standard deviation."""
    by_policy: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_policy.setdefault(outcome.policy, []).append(outcome)
    idle = any(outcome.idle_wh for outcome in outcomes)
    print_table(
        [
            "policy",
            "rounds",
            "took",
            "emitted",
            *(["waiting", "with waiting"] if idle else []),
            "wasted",
            metric,
            "worst site",
            "Jain",
            "elsewhere",
            "ended",
        ],
        [[policy, *_cells(own, metric, idle=idle)] for policy, own in by_policy.items()],
    )
    seeds = max(len(own) for own in by_policy.values())
    over = f"Means of {seeds} seeds. " if seeds > 1 else ""
    spent_s = sum(outcome.wall_s for outcome in outcomes)
    echo(f"{over}Simulated in {show_duration(spent_s)}: {_training(outcomes[0])}.")


def _training(outcome: Outcome) -> str:
    if outcome.batched is None:
        return outcome.reason
    how = "all clients of a round train at once" if outcome.batched else "a plain loop trains"
    return f"{how}, because {outcome.reason}"


def _cells(own: Sequence[Outcome], metric: str, *, idle: bool) -> list[str]:
    scores = [score for outcome in own if (score := outcome.metric(metric)) is not None]
    worst = [site for outcome in own if (site := outcome.worst_site()) is not None]
    return [
        f"{fmean(len(outcome.rounds) for outcome in own):.4g}",
        show_duration(fmean(outcome.hours for outcome in own) * _S_PER_H),
        show_mass(fmean(outcome.gco2eq for outcome in own)),
        *(_waiting(own) if idle else []),
        show_mass(fmean(outcome.uncounted_gco2eq for outcome in own)),
        _score(metric, scores),
        _worst(metric if own[0].by_site else "accuracy", worst),
        f"{fmean(outcome.jain() for outcome in own):.2f}",
        _elsewhere(own),
        "/".join(sorted({outcome.end_reason for outcome in own})),
    ]


def _waiting(own: Sequence[Outcome]) -> list[str]:
    """Return what reserved machines emitted while they waited, and with it all."""
    known = [outcome.idle_gco2eq for outcome in own if outcome.idle_gco2eq is not None]
    if len(known) < len(own):
        return ["unknown", "unknown"]
    work = fmean(outcome.gco2eq for outcome in own)
    return [show_mass(fmean(known)), show_mass(work + fmean(known))]


def _elsewhere(own: Sequence[Outcome]) -> str:
    """Return how much of the weight lies with other clients than the examples do."""
    known = [outcome.applied.total_variation for outcome in own if outcome.applied is not None]
    return show_share(fmean(known)) if known else "unknown"


def _score(metric: str, scores: Sequence[float]) -> str:
    shown = show_value(metric, fmean(scores) if scores else None)
    if len(scores) > 1:
        shown += f" +- {show_value(metric, stdev(scores))}"
    return shown


def _worst(metric: str, worst: Sequence[tuple[str, float]]) -> str:
    if not worst:
        return "unknown"
    score = show_value(metric, fmean(score for _, score in worst))
    sites = {site for site, _ in worst}
    return f"{score} ({sites.pop()})" if len(sites) == 1 else score
