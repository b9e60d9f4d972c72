"""Scores of a run: which are unknown, which lack sites, and whether any version is the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.federation.run import Run
from scheduler.ledger.events import Coverage, Evaluation
from scheduler.status.exports import BEST

NOT_FINITE = "NaN or infinite"


def reported(evaluation: Evaluation | None, metric: str) -> dict[str, int] | None:
    """Return how many sites, and held-out examples, stand behind a figure, of how many.

    `None` where the coordinator evaluated, or nobody has.
    """
    if evaluation is None or not evaluation.sites:
        return None
    whole = Coverage(sites=evaluation.sites, examples=evaluation.examples)
    known = evaluation.partly.get(metric, whole)
    return {
        "sites": known.sites,
        "of_sites": whole.sites,
        "examples": known.examples,
        "of_examples": whole.examples,
    }


def first_figures(run: Run) -> Mapping[str, float | None]:
    """Return what version 0 is worth, by metric; nothing until it is evaluated."""
    return run.first_evaluation.metrics if run.first_evaluation else {}


def notes(run: Run) -> list[str]:
    """Return a sentence on each thing that a reader of a run's score has to know beside it."""
    evaluated = [closed for closed in run.closed[-2:] if closed.evaluation is not None]
    if evaluated:
        newest = evaluated[-1]
        of, evaluation = f"round {newest.number}'s version", newest.evaluation
    else:
        of, evaluation = "version 0", run.first_evaluation
    found = [] if evaluation is None else _on_figure(run.spec.metric, of, evaluation)
    goal = run.spec.goal
    if goal and evaluation is not None and evaluation.whole(goal.metric) is None:
        if goal.metric != run.spec.metric:
            found += _on_figure(goal.metric, of, evaluation)
        found.append(f"So it is unknown whether it reached the goal, {run.spec.stop_when}.")
    if evaluated and run.best_value is None:
        found.append(
            f"No version is the best: of none is the {run.spec.metric} known from all sites that "
            f"evaluated it, so {BEST} is the last version."
        )
    return found


def _on_figure(metric: str, of: str, evaluation: Evaluation) -> list[str]:
    """Return what is to be known of a figure: nothing where everybody reported it."""
    if not evaluation.metrics:
        return [f"Nobody evaluated {of}."]
    if metric not in evaluation.metrics:
        return [f"The {metric} of {of} is unknown: it was evaluated, but no {metric} reported."]
    if evaluation.metrics[metric] is None:
        return [f"The {metric} of {of} is unknown: {NOT_FINITE}."]
    known = evaluation.partly.get(metric)
    if known is None:
        return []
    sites = f"{known.sites} of {evaluation.sites} sites"
    examples = f"{known.examples} of {evaluation.examples} held-out examples"
    return [f"The {metric} of {of} is the mean of {sites} ({examples}): unknown of the others."]


def score_of(run: Run) -> dict[str, Any]:
    """Return the entries of a run's summary that are about its score."""
    metric = run.spec.metric
    return {
        "metric": metric,
        "lower_is_better": run.lower_is_better,
        "value": run.last_value,
        "best": run.best_value,
        "reported": reported(run.last_evaluation, metric),
        "first": first_figures(run).get(metric),
    }


def ends_early(run: Run) -> str | None:
    """Return when a run ends before its budget is spent, `None` if it never does.

    Beside the patience stands how much of it is used.
    """
    patience = run.spec.patience_rounds
    reasons = [
        f"at {run.spec.stop_when}" if run.spec.stop_when else None,
        None
        if patience is None
        else f"after {patience} rounds without a better version ({run.no_better} so far)",
    ]
    return ", or ".join(filter(None, reasons)) or None
