"""Sample by score without replacement, and keep a share of the places for the unexplored.

Weighted sampling without replacement by exponential keys: Efraimidis and Spirakis, "Weighted
random sampling with a reservoir", Information Processing Letters 97(5), 2006. The share for
exploration follows Oort (Lai et al., OSDI 2021), whose epsilon settles at 0.2.
"""

from __future__ import annotations

import math

from scheduler.policies.question import Question

EXPLORATION = 0.2
"""Share of the places kept for clients that never trained, while there are any."""

_FLOOR = 0.05
"""The least score that counts, so that no eligible client is left out for ever."""


def select(question: Question) -> list[str]:
    """Return as many candidates as are wanted, drawn in proportion to their scores."""
    candidates, wanted, rng = question.candidates, question.wanted, question.rng
    fresh = [candidate for candidate in candidates if not candidate.explored]
    places = min(len(fresh), math.ceil(EXPLORATION * wanted))
    chosen = rng.sample([candidate.client for candidate in fresh], places)
    rest = [candidate for candidate in candidates if candidate.client not in chosen]
    keys = {c.client: math.log(1.0 - rng.random()) / max(_FLOOR, c.score) for c in rest}
    best = sorted(keys, key=lambda client: keys[client], reverse=True)
    return sorted(chosen + best[: max(0, wanted - places)])
