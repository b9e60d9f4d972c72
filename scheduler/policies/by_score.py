"""Sample by score without replacement, and keep a share of the places for the unexplored.

The share for exploration follows Oort (Lai et al., OSDI 2021), whose epsilon settles at 0.2.
"""

from __future__ import annotations

import math

from scheduler.policies.draw import draw_weighted
from scheduler.policies.selection_context import SelectionContext

EXPLORATION = 0.2
"""Share of the places kept for clients that never trained, while there are any."""

_FLOOR = 0.05
"""The least score that counts, so that no eligible client is left out for ever."""


def select(context: SelectionContext) -> list[str]:
    """Return as many candidates as are wanted, drawn in proportion to their scores."""
    candidates, wanted, rng = context.candidates, context.wanted, context.rng
    fresh = [candidate for candidate in candidates if not candidate.explored]
    places = min(len(fresh), math.ceil(EXPLORATION * wanted))
    chosen = set(rng.sample([candidate.client for candidate in fresh], places))
    rest = {c.client: max(_FLOOR, c.score) for c in candidates if c.client not in chosen}
    return sorted([*chosen, *draw_weighted(rest, max(0, wanted - places), rng)])
