"""The outcome of a simulated run, from its folded events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from models.workload import Data
from scheduler.carbon.signal import HOUR
from scheduler.federation.applied_weight import weight_by_examples
from scheduler.federation.closed_round import ClosedRound
from scheduler.federation.federation import Run
from simulation.outcome import Outcome, RoundOutcome
from simulation.scenario.data import label_shares
from simulation.scenario.scenario import Scenario
from simulation.simulated_run import SimulatedRun


def round_outcome(simulated: SimulatedRun, closed: ClosedRound) -> RoundOutcome:
    """Return one closed round of a simulated run."""
    run, seen = simulated.run, simulated.seen[closed.number]
    score = simulated.learner.scores.get(closed.number)
    return RoundOutcome(
        number=closed.number,
        started_h=(closed.started - run.grid_started_at) / HOUR,
        ended_h=(closed.ended - run.grid_started_at) / HOUR,
        invited=seen.invited,
        cohort=closed.cohort,
        gco2eq=closed.gco2eq,
        energy_wh=closed.energy_wh,
        baseline_gco2eq=closed.baseline_gco2eq,
        spent_gco2eq=seen.spent_gco2eq,
        counted_gco2eq=seen.counted_gco2eq,
        metrics=_known(closed),
        by_label=score.by_label if score else (),
        by_site=score.by_site if score else {},
        idle_gco2eq=seen.idle_gco2eq,
    )


def _known(closed: ClosedRound) -> dict[str, float]:
    """Return the metrics that everybody who evaluated a version reported."""
    return {
        name: value for name in closed.metrics or {} if (value := closed.whole(name)) is not None
    }


def outcome_of(
    scenario: Scenario,
    simulated: SimulatedRun,
    *,
    data: Mapping[str, Data],
    clients: Mapping[str, object],
    wall_s: float,
) -> Outcome:
    """Return the outcome of a simulated run.

    Args:
        scenario: What was simulated.
        simulated: The run; it has ended.
        data: What each client trained on; empty if nothing was learned.
        clients: All, by id.
        wall_s: How long it took.
    """
    run: Run = simulated.run
    ended = run.grid_ended_at or run.grid_started_at
    counted = Counter(client for closed in run.closed for client in closed.cohort)
    learner = simulated.learner
    labels = tuple(learner.labels)
    return Outcome(
        scenario=scenario.name,
        policy=scenario.run.policy,
        lower_is_better=run.lower_is_better,
        seed=scenario.seed,
        rounds=tuple(round_outcome(simulated, closed) for closed in run.closed),
        end_reason=run.end_reason or "",
        hours=(ended - run.grid_started_at) / HOUR,
        energy_wh=run.totals.energy_wh,
        gco2eq=run.spent_gco2eq,
        uncounted_wh=run.uncounted_wh,
        uncounted_gco2eq=run.uncounted_gco2eq,
        unreported=run.totals.unreported,
        participations={client: counted[client] for client in clients},
        applied=weight_by_examples(run, simulated.examples),
        labels=labels,
        label_shares=label_shares(data, labels) if labels else {},
        decisions=simulated.decisions.hexdigest(),
        version=learner.version,
        batched=learner.batched,
        reason=learner.reason,
        wall_s=wall_s,
        idle_wh=simulated.idle.idle_wh,
        idle_gco2eq=simulated.idle.idle_gco2eq,
    )
