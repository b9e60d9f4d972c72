"""Spread a gram budget over clients and hours alpha-fairly; the slack waits for clean hours.

Daniel Richards Arputharaj, Charlotte Rodriguez, Angelo Rodio and Giovanni Neglia, "Green Federated
Learning via Carbon-Aware Client and Time Slot Scheduling", MASCOTS 2025, arXiv 2509.08980:

    max  sum_c (sum_t (g_max - g_c^t) a_c^t)^alpha    s.t.  sum_{c,t} g_c^t a_c^t <= k

where g_c^t = E_c CI_c^t are the grams client c emits in slot t, g_max is the greatest of them, k is
the gram budget and a_c^t is 1 where c trains in t. Greedily: add the affordable (c, t) with the
largest gain in the objective per gram, until none is left.

The paper plans once, from a known year. Here every call plans anew, over the hours of the
forecast, one round an hour, and returns the cohort of the current hour:

- sum_t starts from what the client did in the run's closed rounds, so its past is not forgotten;
- the window gets its share of what is left of the budget, rounds ahead over rounds left, but enough
  for a quorum. A run without rounds gives it everything; one without grams, what its rounds would
  emit if they ran at once;
- a round has `wanted` places and needs a quorum, which the paper does not know: the window holds no
  more rounds than are left, and hours planned for fewer than the quorum are given up, the emptiest
  half at a time.

The paper's closing rounds are the last `closing` ones: all clients train, and what that emits is
kept from the budget until then. There are none if that is more than half of the budget, nor in a
run that ends neither by rounds nor by hours.

A client of unknown energy counts with the median of the known; while nobody's is known the places
are drawn by chance, which makes it known. A grid of unknown intensity is left out. A past update of
unknown grams counts as the client's grams now. Ties go to the earlier hour, then by chance.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from statistics import median

from common.units import emitted_gco2eq
from scheduler.policies.selection_context import SelectionContext
from scheduler.policies.selection_result import SelectionResult

_MOST_CLOSING = 0.5
"""Of the gram budget, for all closing rounds."""

_ROUNDING = 1 + 1e-9
"""So that a window's budget covers the very rounds it was added up from."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """The paper's symbols: `g` by client and hour (0 is now), `x` the sum over t in the past."""

    g: dict[str, list[float]]
    x: dict[str, float]
    g_max: float
    k: float
    alpha: float
    rounds: int
    wanted: int

    def gain_per_gram(self, x_c: float, g_ct: float) -> float:
        """Return what one more slot adds to a client's term, per gram: the greedy rule's key."""
        saved = self.g_max - g_ct
        # At alpha = 1 the sum so far drops out; computed, it would leave rounding that breaks ties.
        gain = saved if self.alpha == 1 else (x_c + saved) ** self.alpha - x_c**self.alpha
        return gain / g_ct if g_ct > 0 else math.inf


def select(context: SelectionContext) -> SelectionResult:
    """Return the plan's cohort in the current hour; empty if a better hour is ahead.

    Options: `alpha`, above 0 (fairest) and at most 1 (greenest); `horizon_h`, hours to plan over;
    `closing`, rounds of all clients at the end.
    """
    if _closing_rounds(context) and _is_closing(context):
        everybody = sorted(candidate.client for candidate in context.candidates)
        return SelectionResult(everybody, target=len(everybody) or None)
    return SelectionResult(_planned(context))


def _planned(context: SelectionContext) -> list[str]:
    ids = sorted(candidate.client for candidate in context.candidates)
    ids = context.rng.sample(ids, len(ids))
    if all(candidate.energy_wh is None for candidate in context.candidates):
        return sorted(ids[: context.wanted])
    problem = _state(context, _grams(context, ids))
    hours = set(range(max(map(len, problem.g.values()), default=0)))
    while 0 in hours:
        plan = _greedy(problem, hours)
        short = [t for t in plan if len(plan[t]) < context.quorum]
        if not short:
            return sorted(plan.get(0, []))
        short.sort(key=lambda t: (len(plan[t]), -t))
        hours.difference_update(short[: math.ceil(len(short) / 2)])
    return []


def _is_closing(context: SelectionContext) -> bool:
    """Return whether no more rounds, or no more hours, are left than closing rounds need."""
    closing = context.options["closing"]
    rounds, hours = context.rounds_left, context.hours_left
    in_rounds = rounds is not None and rounds <= closing
    return in_rounds or (hours is not None and hours <= closing * max(context.interval_h, 1.0))


def _closing_rounds(context: SelectionContext) -> int:
    """Return how many closing rounds the run will have, or has left."""
    closing = int(context.options["closing"])
    if context.rounds_left is None and context.hours_left is None:
        return 0
    if context.grams is not None and _kept_gco2eq(context, closing) > _MOST_CLOSING * context.grams:
        return 0
    return closing


def _kept_gco2eq(context: SelectionContext, closing: int) -> float:
    """Return what so many rounds of all candidates would emit now."""
    known = [c.gco2eq for c in context.candidates if c.gco2eq is not None]
    return closing * len(context.candidates) * (median(known) if known else 0.0)


def _greedy(problem: _Problem, hours: set[int]) -> dict[int, list[str]]:
    """Return the cohort of each hour.

    The heap is exact: for alpha <= 1 a client's gains only fall as its sum grows, so a stale key is
    an upper bound, and the first fresh one is the greatest (Minoux 1978).
    """
    g, x, left, plan = problem.g, dict(problem.x), problem.k, dict[int, list[str]]()
    heap = [
        (-problem.gain_per_gram(x[c], g[c][t]), t, rank, c, x[c])
        for rank, c in enumerate(g)
        for t in range(len(g[c]))
        if t in hours
    ]
    heapq.heapify(heap)
    while heap:
        _, t, rank, c, x_c = heapq.heappop(heap)
        full = len(plan.get(t, ())) >= problem.wanted
        if full or g[c][t] > left or (t not in plan and len(plan) >= problem.rounds):
            continue
        if x_c != x[c]:
            heapq.heappush(heap, (-problem.gain_per_gram(x[c], g[c][t]), t, rank, c, x[c]))
            continue
        plan.setdefault(t, []).append(c)
        left -= g[c][t]
        x[c] += problem.g_max - g[c][t]
    return plan


def _state(context: SelectionContext, g: dict[str, list[float]]) -> _Problem:
    past = [
        (c, g[c][0] if update.gco2eq is None else update.gco2eq)
        for closed in context.past
        for c, update in closed.updates.items()
        if c in g
    ]
    g_max = max(
        [g_ct for g_c in g.values() for g_ct in g_c] + [g_ct for _, g_ct in past], default=0
    )
    x = dict.fromkeys(g, 0.0)
    for c, g_ct in past:
        x[c] += g_max - g_ct
    rounds = max(map(len, g.values()), default=0)
    if context.rounds_left is not None:
        rounds = min(rounds, context.rounds_left - _closing_rounds(context))
    return _Problem(
        g=g, x=x, g_max=g_max, k=_budget_gco2eq(context, g, g_max, rounds),
        alpha=context.options["alpha"], rounds=rounds, wanted=context.wanted,
    )  # fmt: skip


def _budget_gco2eq(
    context: SelectionContext, g: dict[str, list[float]], g_max: float, rounds: int
) -> float:
    """Return k, the grams of the window, in which so many rounds can be held."""
    least = context.quorum * g_max
    if context.grams is None:
        hours = [[g_c[t] for g_c in g.values() if t < len(g_c)] for t in range(rounds)]
        at_once = context.wanted * sum(sum(hour) / len(hour) for hour in hours)
        return max(at_once, least) * _ROUNDING
    closing = _closing_rounds(context)
    left = max(0.0, context.grams - context.spent_gco2eq - _kept_gco2eq(context, closing))
    rounds_left = (context.rounds_left or 0) - closing
    share = left * rounds / (rounds_left if rounds_left > 0 else max(rounds, 1))
    return min(left, max(share, least) * _ROUNDING)


def _grams(context: SelectionContext, ids: list[str]) -> dict[str, list[float]]:
    """Return g_c^t of every client whose grid is known, in the order of `ids`."""
    usual_wh = median(c.energy_wh for c in context.candidates if c.energy_wh is not None)
    by_id = {candidate.client: candidate for candidate in context.candidates}
    g = {}
    for client in ids:
        candidate = by_id[client]
        ahead = list(candidate.forecast_gco2eq_per_kwh[: int(context.options["horizon_h"])])
        if candidate.intensity_gco2eq_per_kwh is not None:
            ahead[:1] = [candidate.intensity_gco2eq_per_kwh]
        energy_wh = usual_wh if candidate.energy_wh is None else candidate.energy_wh
        if ahead:
            g[client] = [emitted_gco2eq(energy_wh, intensity) for intensity in ahead]
    return g
