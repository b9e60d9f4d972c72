"""Weigh utility against grams by a queue of what the run has overspent (Lyapunov).

Jieming Bian, Lei Wang, Shaolei Ren and Jie Xu, "CAFE: Carbon-Aware Federated Learning in
Geographically Distributed Data Centers", e-Energy 2024, arXiv 2311.03615. With k grams for T slots,
each slot t takes the subset S of clients that maximises

    V U(S) - Q_t g_t(S),    where  Q_{t+1} = max(0, Q_t + g_t - k/T)  and  Q_1 = 0

so that the grams of a slot cost the more, the further the run is ahead of its even pace k/T: no
forecast is needed.

What is simplified: the paper's U(S) = b - sum_j min_{i in S} d_ij is a coreset utility of distances
between gradients. The coordinator has no client's gradient before that client trains, so U(S) is
the sum of Oort's statistical utilities in its place (Lai et al., OSDI 2021), as a share of the
greatest. It is modular: the best subset of at most `wanted` clients is the best of those
whose own V u - Q g is not negative, and the paper's double greedy is not needed. Grams are
counted in units of k/T, which only rescales V: at V = 1 a client of the greatest utility stays out
once Q g exceeds (k/T)^2. The paper keeps to k in the long run only; here it is a limit, so a client
is passed over when what is left does not pay for it.

A slot is a closed round, or an hour in which none was planned: there Q falls by k/T, so a run that
waits can afford to go on. Without both a gram budget and a number of rounds there is no pace: Q
stays 0, and the clients of the greatest utility train.

A client of unknown utility or grams counts with the median of the known (of grams: among the
candidates, else in the past). While no utility is known all are alike; while no grams are, they are
not weighed, which the first round ends. Past updates of unknown grams count with the median of the
known past. Ties are broken by chance.
"""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median

from scheduler.policies.selection_context import SelectionContext, with_median

_HOUR_S = 3600


def select(context: SelectionContext) -> list[str]:
    """Return the best clients whose utility outweighs their grams; fewer, or none, if overspent.

    Options: `v`, the paper's V, above 0: the greater, the more utility counts beside the budget.
    """
    candidates = sorted(context.candidates, key=lambda candidate: candidate.client)
    candidates = context.rng.sample(candidates, len(candidates))
    known_g = [c.gco2eq for c in candidates if c.gco2eq is not None] or _past_gco2eq(context)
    u = with_median({c.client: c.utility for c in candidates})
    # Before anybody's grams are known there is nothing to weigh: the first round makes them known.
    g = {c.client: median(known_g or [0.0]) if c.gco2eq is None else c.gco2eq for c in candidates}
    v, price, u_max = context.options["v"], _price_per_gram(context), max(u.values(), default=0.0)
    worth = {c: v * u[c] / (u_max or 1.0) - price * g[c] for c in u}
    best = sorted(worth, key=lambda c: worth[c], reverse=True)
    return sorted(_affordable([c for c in best if worth[c] >= 0], g, context))


def _affordable(best: list[str], g: dict[str, float], context: SelectionContext) -> list[str]:
    """Return the first of them, as many as are wanted, that what is left of the grams pays for."""
    left = math.inf if context.grams is None else context.grams - context.spent_gco2eq
    chosen: list[str] = []
    for c in best:
        if len(chosen) < context.wanted and g[c] <= left:
            chosen.append(c)
            left -= g[c]
    return chosen


def _price_per_gram(context: SelectionContext) -> float:
    """Return Q / (k/T)^2: what a gram weighs against a share of the greatest utility."""
    if context.grams is None or context.rounds_left is None:
        return 0.0
    pace = context.grams / (context.number - 1 + context.rounds_left)
    return _queue(context, pace) / pace**2


def _queue(context: SelectionContext, pace: float) -> float:
    """Return Q in grams, folded over the closed rounds and the hours without one."""
    known = _past_gco2eq(context)
    if not known:
        return 0.0
    queue, usual = 0.0, median(known)
    starts = [closed.planned_at for closed in context.past] + [context.now]
    for closed, (start, end) in zip(context.past, pairwise(starts), strict=True):
        figures = [update.gco2eq for update in closed.updates.values()]
        emitted = sum(usual if figure is None else figure for figure in figures)
        queue = max(0.0, queue + emitted - pace)
        idle = max(0, int((end - start).total_seconds() // _HOUR_S) - 1)
        queue = max(0.0, queue - idle * pace)
    return queue


def _past_gco2eq(context: SelectionContext) -> list[float]:
    updates = [update for closed in context.past for update in closed.updates.values()]
    return [update.gco2eq for update in updates if update.gco2eq is not None]
