"""Opening a run: its first version, and whether its metric is one that the workload reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from common.errors import WorkloadError
from common.metric_names import named_as_error, nearest_metric
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run
from scheduler.ledger.event import Draft
from scheduler.ledger.events import Evaluation, RunOpened
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.world import World


def open_run(world: World, run_id: str) -> None:
    """Make the first version of a run that has none.

    Raises:
        WorkloadError: If it was evaluated, and the run's metric is not among its figures.
    """
    run = world.run(run_id)
    if run.version is not None:
        return
    first = world.learning.open(run)
    if first.metrics is not None:
        check_metrics(run.spec, first.metrics)
    payload = RunOpened(
        version=first.version,
        frozen=first.frozen,
        num_params=first.num_params,
        scored_here=first.scored_here,
        evaluation=None if first.metrics is None else Evaluation(metrics=dict(first.metrics)),
        lower_is_better=first.lower_is_better,
        personal=first.personal,
        num_personal=first.num_personal,
    )

    def opened(state: Federation) -> list[Draft]:
        current = state.runs[run_id]
        if current.version is not None or current.ended_at is not None:
            return []
        return [Draft(payload, run=run_id)]

    world.record(opened)


def check_metrics(spec: RunSpec, reported: Collection[str]) -> None:
    """Refuse a run whose metric, or that of its goal, was not reported of its first version.

    Raises:
        WorkloadError: If so. The text names the metrics there are, and the one that may be meant.
    """
    _check(spec.workload, spec.metric, reported, "no version could be the best", "--metric")
    if goal := spec.goal:
        consequence = "no version could reach the goal"
        _check(spec.workload, goal.metric, reported, consequence, "--stop-when")


def check_goal(spec: RunSpec, first: Mapping[str, float | None], *, stated_lower: bool) -> None:
    """Refuse a goal that points away from what is better, or that version 0 reaches untrained.

    Args:
        spec: The run.
        first: Metrics of version 0; empty if the coordinator does not score.
        stated_lower: Whether the workload states that less of the goal's metric is better.

    Raises:
        WorkloadError: If the goal is such a one. The text says what would fit.
    """
    goal = spec.goal
    if goal is None:
        return
    if goal.metric == spec.metric:
        lower: bool | None = spec.lower_is_better(stated=stated_lower)
    else:  # of a metric whose name says nothing, nothing is known
        lower = True if stated_lower or named_as_error(goal.metric) else None
    if lower is not None and lower is not goal.wants_less:
        wanted, preferred = ("low", "higher") if goal.wants_less else ("high", "lower")
        turned = f"{goal.metric}{'<=' if lower else '>='}{goal.value:g}"
        msg = (
            f"The goal {spec.stop_when} wants a {wanted} {goal.metric}, but a {preferred} one is "
            f"better, so the run would end untrained. Did you mean --stop-when {turned!r}? "
            f"If not, say which way {goal.metric} is better: "
            f"--metric {'' if lower else '-'}{goal.metric}"
            f"{' --maximize' if lower else ''}."
        )
        raise WorkloadError(msg)
    if goal.is_reached(first.get(goal.metric)):
        msg = (
            f"The first version reaches the goal {spec.stop_when} already, with {goal.metric} of "
            f"{first[goal.metric]:.4g}, so the run would end with its first round. Choose a goal "
            "beyond that, or leave out --stop-when."
        )
        raise WorkloadError(msg)


def _check(
    workload: str, metric: str, reported: Collection[str], consequence: str, option: str
) -> None:
    if metric in reported:
        return
    near = nearest_metric(metric, reported)
    msg = (
        f"The workload {workload} reports no metric {metric!r}, so {consequence}; it reports "
        f"{', '.join(sorted(reported))}. "
        + (f"Did you mean {option} {near}?" if near else f"Name one of them with {option}.")
    )
    raise WorkloadError(msg)


def check_sites_metric(run: Run) -> None:
    """Refuse to go on with a run if none of the sites that scored version 0 reported its metric.

    Raises:
        WorkloadError: If so.
    """
    if run.first_evaluation is not None and not run.scored_here:
        check_metrics(run.spec, run.first_evaluation.metrics)
