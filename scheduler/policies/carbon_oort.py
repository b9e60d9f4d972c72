"""Carbon-budgeted Oort: the most utility that fits into the round's share of the gram budget.

Wilhelm, Yilmaz and Kao, "Noise-aware Client Selection for carbon-efficient Federated Learning via
Gradient Norm Thresholding", 2026, arXiv 2603.04194: its Oort variant under a budget. With U(i) the
Oort utility |B_i| sqrt(mean of loss**2) of client i's last update (its sample count before the
first), g_i the grams of its next, K places and the round's budget B, the 100 clients with the
greatest U(i) / (g_i + 1e-6) compete for a 0-1 knapsack:

    max sum over S of U(i), subject to sum over S of g_i <= B and |S| <= K

Until K clients have trained, rounds are random, whatever B is. It is solved by dynamic programming
over thousandths of B.

Simplified: B is what is left of the run's grams divided by the rounds left, so what one round saves
the later ones may spend; all of it where the run has no last round, and no limit without a budget.
Grams stand for the paper's intensities. The authors' code rounds grams down and may overspend; here
they are rounded up, so the choice is at least as good as any of the shortlist in B(1 - K/1000);
what that leaves goes to the next best by U(i) / g_i that still fit, beyond the 100 as well. The
filter of noisy clients needs a probing round of everybody, and is left out: so clients with noisy
labels, whose losses stay high, are preferred.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scheduler.policies.past_rounds import has_utility, newest, num_updates
from scheduler.policies.selection_context import Candidate, SelectionContext, with_median

_SHORTLIST = 100
_STEPS = 1000
"""Parts of the budget that the knapsack distinguishes."""


def select(context: SelectionContext) -> list[str]:
    """Return the most useful affordable candidates; fewer, or none, where the budget ends.

    An unknown utility or sample count counts as the median of the known ones of the candidates, and
    so do unknown grams. Where nobody's grams are known, none can be weighed: the most useful it is.
    """
    candidates = sorted(context.candidates, key=lambda candidate: candidate.client)
    places = min(context.wanted, len(candidates))
    if len(num_updates(context.past)) < places:
        return sorted(context.rng.sample([c.client for c in candidates], places))

    utilities = with_median(_utilities(candidates, context))
    known = any(candidate.gco2eq is not None for candidate in candidates)
    grams = with_median({c.client: c.gco2eq for c in candidates})
    budget = _budget_gco2eq(context) if known else math.inf
    if budget <= 0.0:
        return []
    by_density = sorted(grams, key=lambda c: utilities[c] / (grams[c] + 1e-6), reverse=True)
    affordable = [client for client in by_density if grams[client] <= budget]
    shortlist = {client: grams[client] / budget for client in affordable[:_SHORTLIST]}
    chosen = _pack(shortlist, utilities, min(places, len(shortlist)))
    left = budget - sum(grams[client] for client in chosen)
    for client in affordable:
        if len(chosen) < places and client not in chosen and grams[client] <= left:
            chosen.add(client)
            left -= grams[client]
    return sorted(chosen)


def _utilities(
    candidates: Sequence[Candidate], context: SelectionContext
) -> dict[str, float | None]:
    """Return U(i): of the last update in this run that has one, else the sample count."""
    utilities: dict[str, float | None] = {c.client: c.num_examples for c in candidates}
    for client, (_, update) in newest(context.past, utilities, counts=has_utility).items():
        utilities[client] = update.utility
    return utilities


def _budget_gco2eq(context: SelectionContext) -> float:
    if context.grams is None:
        return math.inf
    return (context.grams - context.spent_gco2eq) / (context.rounds_left or 1)


def _pack(shares: Mapping[str, float], utilities: Mapping[str, float], places: int) -> set[str]:
    """Return the most useful that fit: their shares of the budget, rounded up, make at most 1."""
    costs = {client: math.ceil(_STEPS * share) for client, share in shares.items()}
    # The most utility with at most so many clients and steps, and whether the i-th is part of it.
    best = np.zeros((places + 1, _STEPS + 1))  # (places + 1, steps + 1)
    taken = np.zeros((len(costs), *best.shape), dtype=bool)  # (clients, places + 1, steps + 1)
    for i, (client, cost) in enumerate(costs.items()):
        with_it = best[:-1, : _STEPS + 1 - cost] + utilities[client]
        taken[i, 1:, cost:] = with_it > best[1:, cost:]
        best[1:, cost:] = np.maximum(with_it, best[1:, cost:])
    chosen, row, column = set(), places, _STEPS
    for i, (client, cost) in reversed(list(enumerate(costs.items()))):
        if taken[i, row, column]:
            chosen.add(client)
            row, column = row - 1, column - cost
    return chosen
