"""FedZero's blocklist: participants of the last round pause, the longer the more often they did.

For the paper see `scheduler.policies.fedzero`. After each round its participants whose utility
sigma is at most the q-quantile of theirs join the blocklist. At each try to select, every blocked
client leaves it with probability

    P(c) = 1 if p_c <= omega, else min(1, alpha / (p_c - omega))

where p_c counts the rounds it took part in. omega is 0 in the first cycle of 24 h; at the end of
each cycle it becomes the mean p of the clients, to which it moves linearly over the last 12 h.

Ours: a policy remembers nothing, so the list is folded from the closed rounds. A client's stay on
it ends once one number, drawn for that stay, exceeds the product of (1 - P) over the tries since;
which has the distribution of a draw at every try, and the same outcome at every call.
There was one try at each later round, and while a round waits one an hour (in the paper one in five
minutes). Which clients were available earlier is unknown: the mean is over the candidates and all
that took part, and every participant of a round is taken to have been available at the next.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from random import Random

import numpy as np

from scheduler.carbon.signal import HOUR
from scheduler.policies.past_rounds import num_updates
from scheduler.policies.selection_context import PastRound, PastUpdate, SelectionContext

CYCLE = 24 * HOUR
_TRANSITION = 12 * HOUR


def blocked(context: SelectionContext, *, alpha: float, quantile: float) -> set[str]:
    """Return the candidates that are on the blocklist now; none if `alpha` is 0.

    Args:
        context: The candidates and the past.
        alpha: How readily clients leave the list.
        quantile: q: 1 blocks all participants of a round, 0 only those of the least utility.
    """
    past = context.past
    if not past or alpha <= 0.0:
        return set()
    counts = num_updates(past)
    last = {client: n for n, done in enumerate(past) for client in done.updates}
    population = counts.keys() | {candidate.client for candidate in context.candidates}
    chances = _Chances(context, alpha, population=len(population))
    cuts = {n: _cut(past[n].updates, quantile) for n in set(last.values())}
    found = set()
    for candidate in context.candidates:
        n = last.get(candidate.client)
        if n is None:
            continue
        update = past[n].updates[candidate.client]
        joins = update.utility is None or update.utility <= cuts[n]
        if joins and _stay(candidate.client, past[n]) < chances.staying(
            counts[candidate.client], n
        ):
            found.add(candidate.client)
    return found


def release(p_c: float, omega: float, alpha: float) -> float:
    """Return P(c): the probability with which a blocked client leaves the list at one try."""
    return 1.0 if p_c <= omega else min(1.0, alpha / (p_c - omega))


class Participation:
    """How often clients had taken part by each time, on average.

    Args:
        past: The closed rounds, oldest first, at least one; the first one begins the first cycle.
        population: Over how many clients the mean is taken.
    """

    def __init__(self, past: Sequence[PastRound], population: int) -> None:
        self._starts = [done.planned_at for done in past]
        self._sums = [0, *accumulate(len(done.updates) for done in past)]
        self._population = population

    def omega(self, at: datetime) -> float:
        """Return how often a client may have taken part by a time and still leave at once.

        Args:
            at: On the grid clock, not before the first round.
        """
        start = self._starts[0]
        age = at - start
        cycle = age // CYCLE
        base = self._mean_p(start + cycle * CYCLE) if cycle else 0.0
        into = age - cycle * CYCLE - (CYCLE - _TRANSITION)
        if into <= timedelta(0):
            return base
        return base + (self._mean_p(at) - base) * (into / _TRANSITION)

    def _mean_p(self, at: datetime) -> float:
        return self._sums[bisect_left(self._starts, at)] / self._population


class _Chances:
    """The probability that a client is still on the list, by its rounds and the last of them."""

    def __init__(self, context: SelectionContext, alpha: float, *, population: int) -> None:
        past = context.past
        times = [done.planned_at for done in past[1:]] + [context.now]
        starts = [done.planned_at for done in past] + [context.now]
        self._alpha = alpha
        participation = Participation(past, population)
        self._omegas = [participation.omega(at) for at in times]
        self._tries = [max(1, (end - start) // HOUR) for start, end in pairwise(starts)]
        self._known: dict[tuple[int, int], float] = {}

    def staying(self, p_c: int, last: int) -> float:
        """Return the product of (1 - P) over the tries after round `last` of the past."""
        if (p_c, last) not in self._known:
            spans = zip(self._omegas[last:], self._tries[last:], strict=True)
            self._known[p_c, last] = math.prod(
                (1.0 - release(p_c, w, self._alpha)) ** tries for w, tries in spans
            )
        return self._known[p_c, last]


def _cut(updates: Mapping[str, PastUpdate], quantile: float) -> float:
    known = [update.utility for update in updates.values() if update.utility is not None]
    return float(np.quantile(known, quantile)) if known else math.inf


def _stay(client: str, done: PastRound) -> float:
    """Return the number drawn for a client's stay after a round: a hash of its own figures."""
    update = done.updates[client]
    return Random(f"{client}/{done.number}/{update.utility}/{update.duration_s}").random()  # noqa: S311 - a draw, not a secret
