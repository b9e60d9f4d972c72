"""Oort: guided selection by what a client's data still teaches and how fast it answers.

Lai, Zhu, Madhyastha and Chowdhury, "Oort: Efficient Federated Learning via Guided Participant
Selection", OSDI 2021, arXiv 2010.06081, algorithm 1, with the constants of the authors' code. In
round R, with U(i) the utility |B_i| sqrt(mean of loss**2) of explored client i, D(i) its duration
and L(i) the round of its last feedback, T the preferred duration and alpha the round penalty:

    Util(i) = (min(U(i), U98) - 0.999 Umin) / max(Umax - 0.999 Umin, 1e-4) + sqrt(0.1 ln R / L(i))
    Util(i) = Util(i) * (T / D(i))**alpha, if D(i) > T

Of K places (1 - epsilon)K are sampled by Util among those above c times the cut-off utility, which
is the next best after the (1 - epsilon)K best; epsilon K go to unexplored clients, by samples and
speed; the first round is random. The pacer sets T: see `scheduler.policies.oort_pacer`.

Simplified: a client is explored once it has trained in this run, since other models' losses say
nothing of this one. Umin, Umax and U98 are taken over the explored alone: sample counts and losses
are no one scale. Epsilon is 0 as soon as no candidate is unexplored, not only once nobody enrolled
is. Outliers are clipped, as in the code, and no one is barred for taking part often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from random import Random
from statistics import median

from scheduler.policies.draw import draw_weighted
from scheduler.policies.oort_pacer import preferred_duration_s
from scheduler.policies.past_rounds import has_utility, newest, num_updates
from scheduler.policies.selection_context import Candidate, PastRound, SelectionContext

DEFAULTS = {
    "epsilon": 0.9,
    "epsilon_decay": 0.95,
    "epsilon_min": 0.2,
    "pacer_step": 5.0,
    "pacer_window": 20.0,
    "cut": 0.7,
    "alpha": 2.0,
}
"""As in the authors' code: `pacer_step` in percentiles, `pacer_window` in rounds; `cut` is 0.95 in
the paper."""

_CLIP = 0.98
_EXPLORED_OF = 5
"""Places for exploration are drawn among this many times as many clients, the best."""


@dataclass(frozen=True, slots=True)
class _Feedback:
    """U(i), `None` where no update had one; D(i) in seconds; L(i), from 1."""

    utility: float | None
    duration_s: float
    number: int


def select(context: SelectionContext) -> list[str]:
    """Return as many candidates as are wanted: the most useful and fast, and some unexplored.

    An explored client of unknown utility counts as the median of the others, an unexplored one of
    unknown sample count or duration likewise; where all are unknown, all count the same.
    """
    candidates = sorted(context.candidates, key=lambda candidate: candidate.client)
    places = min(context.wanted, len(candidates))
    feedback = _feedback(context.past)
    if not feedback:
        return sorted(context.rng.sample([c.client for c in candidates], places))

    # How slow is slow: a client's speed is 1, or (T / D)**alpha if it takes longer than T.
    durations_s = {c.client: c.duration_s for c in candidates if c.duration_s is not None}
    durations_s |= {client: last.duration_s for client, last in feedback.items()}
    preferred_s = preferred_duration_s(context, durations_s.values())
    usual_s, alpha = median(durations_s.values()), context.options["alpha"]
    speeds = {
        c.client: _speed(durations_s.get(c.client, usual_s), preferred_s, alpha) for c in candidates
    }

    # Exploitation: sample by utility among those above the cut.
    explored = {c.client: feedback[c.client] for c in candidates if c.client in feedback}
    fresh = [c for c in candidates if c.client not in feedback]
    epsilon = _epsilon(context) if fresh else 0.0
    utilities = {c: u * speeds[c] for c, u in _utilities(explored, context.number).items()}
    exploited = min(int(places * (1.0 - epsilon)), len(explored))
    admitted = _admit(utilities, exploited, context.options["cut"])
    chosen = draw_weighted(admitted, exploited, context.rng)

    # Exploration: sample the unexplored by size and speed; what is left over goes at random.
    weights = {client: size * speeds[client] for client, size in _sizes(fresh).items()}
    chosen += _explore(weights, min(len(fresh), places - exploited), context.rng)
    rest = sorted({c.client for c in candidates} - set(chosen))
    return sorted(chosen + context.rng.sample(rest, places - len(chosen)))


def _feedback(past: Sequence[PastRound]) -> dict[str, _Feedback]:
    """Return the last feedback of each client in this run."""
    clients = num_updates(past)
    known = newest(past, clients, counts=has_utility)
    return {
        client: _Feedback(
            known[client][1].utility if client in known else None, update.duration_s, done.number
        )
        for client, (done, update) in newest(past, clients).items()
    }


def _epsilon(context: SelectionContext) -> float:
    decay = context.options["epsilon_decay"] ** (context.number - 1)
    return max(context.options["epsilon_min"], context.options["epsilon"] * decay)


def _speed(duration_s: float, preferred_s: float, alpha: float) -> float:
    return 1.0 if duration_s <= preferred_s else float((preferred_s / duration_s) ** alpha)


def _utilities(explored: Mapping[str, _Feedback], number: int) -> dict[str, float]:
    """Return Util(i) before the penalty for slowness, in round `number`."""
    known = sorted(f.utility for f in explored.values() if f.utility is not None) or [1.0]
    usual, clip = median(known), known[min(int(len(known) * _CLIP), len(known) - 1)]
    least = 0.999 * known[0]
    spread = max(known[-1] - least, 1e-4)
    return {
        client: (min(usual if last.utility is None else last.utility, clip) - least) / spread
        + math.sqrt(0.1 * math.log(number) / last.number)
        for client, last in explored.items()
    }


def _admit(utilities: Mapping[str, float], exploited: int, cut: float) -> dict[str, float]:
    """Return those of at least `cut` times the utility of the best client left without a place."""
    if not utilities:
        return {}
    ranked = sorted(utilities.values(), reverse=True)
    cut_off = cut * ranked[min(exploited, len(ranked) - 1)]
    return {client: utility for client, utility in utilities.items() if utility >= cut_off}


def _sizes(fresh: Sequence[Candidate]) -> dict[str, float]:
    known = [c.num_examples for c in fresh if c.num_examples is not None]
    usual = median(known) if known else 1.0
    return {c.client: usual if c.num_examples is None else c.num_examples for c in fresh}


def _explore(weights: Mapping[str, float], places: int, rng: Random) -> list[str]:
    best = nlargest(_EXPLORED_OF * places, weights, key=weights.__getitem__)
    return draw_weighted({client: weights[client] for client in best}, places, rng)
