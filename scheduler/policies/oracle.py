"""The oracle: with perfect forecasts, the plan of least emissions for the rest of the run.

Ours, as a bound for studies: what the policy `fairwind` would do if it knew the future and searched
for the best plan. Shares of participation are the same, and no heuristic decides the hours. It is
only as good as the forecast it is given. It plans all rounds that are left at once and returns the
part of the current hour:

- at most one round an hour, or as few more as it takes to hold all that are left;
- client c takes part r_c of all participations, past ones included, rounded down or up: r_c as
  `fairwind` has it (`planning.participation`), evened out until Jain's index of
  whole updates is at least `fairness`, and no client takes part twice in a round;
- among all such plans, the hours and cohorts that emit least (`planning.round_timetable`).
  Clients of one zone whose energies differ by a tenth at most are alike; of those, the one
  furthest behind its share comes first;
- clients do as much work, and weigh as much, as in `fairwind`.

It knows only the candidates: a client behind a closed gate now is in no later hour of the plan, so
give it open gates. Without a number of rounds it holds one an hour; with a gram budget, as many as
that pays for. Of a run that lasts longer than the forecast, the forecast's share of the rounds is
planned; one without an end in time is to end with the forecast. Unknown figures count as the median
of the known, a grid of unknown intensity is left out. Ties go by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from common.units import emitted_gco2eq
from scheduler.carbon.signal import HOUR, slot_start
from scheduler.policies.candidate_table import CandidateTable, Floats, Ints
from scheduler.policies.past_rounds import num_updates
from scheduler.policies.planning.hourly_emissions import hourly_emissions
from scheduler.policies.planning.local_work import local_work
from scheduler.policies.planning.participation import participation
from scheduler.policies.planning.quotas import capped, quotas, undoing_weights
from scheduler.policies.planning.round_timetable import RoundTimetable, Task, timetable
from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult

_ALIKE = 1.1
"""Clients of one zone whose energies lie within this ratio are planned as if they were equal."""

_EPSILON = 1e-9

_TRIES = 11
"""Shares become more even in so many steps at most, until rounding keeps them fair enough."""


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Clients that are alike: `of` says of what kind each of N is; see `Task` for the rest."""

    of: Ints
    size: Ints
    low: Ints
    high: Ints
    cost_gco2eq: Floats


def select(context: SelectionContext) -> SelectionResult:
    """Return the current hour's cohort in the plan of least emissions; empty in other hours.

    Options: `fairness`, `full_share`, `parts` and `floor`, as of `fairwind`; `horizon_h`, hours to
    plan over.
    """
    candidates = sorted(context.candidates, key=lambda candidate: candidate.client)
    candidates = context.rng.sample(candidates, len(candidates))
    pool = CandidateTable.of(candidates)
    intensity = _intensity(pool, _hours(context))  # (num_clients, hours)
    known = np.flatnonzero(~np.isnan(intensity).all(axis=1))
    if len(known) < context.quorum or context.wanted == 0:
        return SelectionResult((), because={"code": "grid_unknown"})
    clients = [pool.clients[n] for n in known.tolist()]
    energy_wh = _with_median(pool.energy_wh)[known]
    grams = emitted_gco2eq(1.0, 1.0) * energy_wh[:, None] * intensity[known]
    rounds, an_hour = _rounds(context, grams.shape[1])
    emissions = hourly_emissions(pool, horizon_h=grams.shape[1], end_h=None)
    usefulness = participation(pool, emissions, fairness=0.0)[known]
    shares, behind = _behind(context, clients, usefulness, rounds)
    kinds = _kinds(pool.zone[known], energy_wh, grams, behind)
    task = _task(context, kinds, rounds, an_hour)
    plan = timetable(task)
    if plan is None:
        return SelectionResult((), because={"code": "no_plan_found"})
    result = _result(clients, kinds, behind, task, plan)
    work = local_work(
        emissions, pool.duration_s,
        epochs=context.epochs, full_share=context.options["full_share"],
        part=context.options["floor"] if context.options["parts"] else None,
    )  # fmt: skip
    weights = dict(zip(clients, undoing_weights(shares).tolist(), strict=True))
    return _with_work(result, context, pool, work.counts(), weights)


def _with_work(
    result: SelectionResult,
    context: SelectionContext,
    pool: CandidateTable,
    counts: Floats,
    weights: Mapping[str, float],
) -> SelectionResult:
    """Return the result with the epochs and weights that `fairwind` gives."""
    epochs = dict(zip(pool.clients, counts.tolist(), strict=True))
    return replace(
        result,
        epochs={c: epochs[c] for c in result.cohort if epochs[c] < context.epochs},
        weights={c: weights[c] for c in result.cohort},
    )


def _hours(context: SelectionContext) -> int:
    """Return how many hours may still be used, the running one included."""
    hours = int(context.options["horizon_h"])
    if context.hours_left is None:
        return hours
    into = (context.now - slot_start(context.now)) / HOUR
    return max(1, min(hours, math.ceil(into + context.hours_left)))


def _intensity(pool: CandidateTable, hours: int) -> Floats:
    """Return the expected intensity of each candidate's grid, the current hour as it is now."""
    ahead = pool.forecasts[:, :hours]
    if ahead.shape[1] == 0:
        ahead = np.full((len(ahead), 1), np.nan)
    each = ahead[pool.zone]
    known = ~np.isnan(pool.intensity_gco2eq_per_kwh)
    each[known, 0] = pool.intensity_gco2eq_per_kwh[known]
    return each


def _rounds(context: SelectionContext, hours: int) -> tuple[int, Ints]:
    """Return how many rounds to hold in these hours, and how many at most in each."""
    rounds = hours if context.rounds_left is None else context.rounds_left
    if context.rounds_left is not None and context.hours_left is not None:
        rounds = math.ceil(rounds * min(1.0, hours / max(context.hours_left, 1.0)))
    an_hour = np.full(hours, max(1, math.ceil(rounds / hours)))
    hour = slot_start(context.now)
    held = sum(1 for _ in takewhile(lambda done: done.planned_at >= hour, reversed(context.past)))
    an_hour[0] = max(0, an_hour[0] - held)
    return rounds, an_hour


def _behind(
    context: SelectionContext, clients: list[str], usefulness: Floats, rounds: int
) -> tuple[Floats, Floats]:
    """Return the share of all updates of each client, and how many it still owes by it.

    The latter is below 0 for a client that contributed too many.
    """
    updates = num_updates(context.past)
    past = np.array([float(updates.get(client, 0)) for client in clients])
    places = min(context.wanted, len(clients))
    total = past.sum() + rounds * places
    most = (len(context.past) + rounds) / total
    fairness = context.options["fairness"]
    for stricter in np.linspace(fairness, 1.0, _TRIES):
        shares = capped(quotas(usefulness, stricter), most)
        if _least_index(total * shares) >= fairness:
            break
    return shares, total * shares - past


def _least_index(targets: Floats) -> float:
    """Return the least Jain index that whole numbers next to these can have with the same sum."""
    whole = np.sort(np.floor(targets + _EPSILON))[::-1]
    whole[: round(targets.sum() - whole.sum())] += 1.0
    return float(targets.sum() ** 2 / (len(whole) * (whole @ whole)))


def _kinds(zone: Ints, energy_wh: Floats, grams: Floats, behind: Floats) -> _Kinds:
    low = np.floor(behind + _EPSILON).clip(min=0).astype(np.int64)
    high = np.ceil(behind - _EPSILON).clip(min=0).astype(np.int64)
    scale = np.rint(np.log(np.maximum(energy_wh, _EPSILON)) / math.log(_ALIKE))
    keys = np.column_stack([zone, scale, high > 0])
    _, first, of, size = np.unique(
        keys, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    of = of.ravel()

    def total(figures: Ints) -> Ints:
        return np.bincount(of, weights=figures).astype(np.int64)

    mean_wh = np.bincount(of, weights=energy_wh) / size
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(energy_wh[first] > 0, mean_wh / energy_wh[first], 0.0)
    return _Kinds(of, size, total(low), total(high), grams[first] * scaled[:, None])


def _task(context: SelectionContext, kinds: _Kinds, rounds: int, an_hour: Ints) -> Task:
    there = np.where(np.isnan(kinds.cost_gco2eq), 0, kinds.size[:, None]).sum(axis=0)
    places = np.where(there >= context.quorum, np.minimum(there, context.wanted), 0)
    left = math.inf if context.grams is None else context.grams - context.spent_gco2eq
    return Task(
        cost_gco2eq=tuple(map(tuple, kinds.cost_gco2eq.tolist())),
        size=tuple(kinds.size.tolist()), low=tuple(kinds.low.tolist()),
        high=tuple(kinds.high.tolist()), places=tuple(places.tolist()),
        rounds_an_hour=tuple(an_hour.tolist()), rounds=rounds, budget_gco2eq=max(0.0, left),
    )  # fmt: skip


def _result(
    clients: list[str], kinds: _Kinds, behind: Floats, task: Task, plan: RoundTimetable
) -> SelectionResult:
    held = np.rint(plan.rounds).astype(np.int64)
    figures = {"rounds": int(held.sum()), "gco2eq": plan.gco2eq, "gap": plan.gap}
    if not held.any():
        return SelectionResult((), because={"code": "no_hour", **figures})
    if held[0] < 1:
        return SelectionResult(
            (), because={"code": "later", "in_h": int(np.flatnonzero(held)[0]), **figures}
        )
    share = np.minimum(plan.trained[:, 0] / held[0], kinds.size)
    counts = _whole(share, task.places[0])
    cohort: list[str] = []
    for kind, count in enumerate(counts):
        members = np.flatnonzero(kinds.of == kind)
        order = np.argsort(-behind[members], kind="stable")[:count]
        cohort += [clients[n] for n in members[order]]
    return SelectionResult(sorted(cohort), because={"code": "now", **figures})


def _whole(share: Floats, places: int) -> Ints:
    """Return whole numbers near to the shares that sum to the places: largest remainders."""
    counts = np.floor(share + 1e-6)
    left = max(0, places - int(counts.sum()))
    counts[np.argsort(counts - share, kind="stable")[:left]] += 1.0
    return counts.astype(np.int64)


def _with_median(figures: Floats) -> Floats:
    known = figures[~np.isnan(figures)]
    return np.where(np.isnan(figures), np.median(known) if known.size else 1.0, figures)
