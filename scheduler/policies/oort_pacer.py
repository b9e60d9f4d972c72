"""Oort's pacer: how long a client may take before it counts as slow.

Lai et al., OSDI 2021 (see `scheduler.policies.oort`), as the authors' code has it. With S the sum
over the last W rounds of the mean utility of the clients exploited in each, and S' over the W
before: every W rounds from round 2W on the percentile p, at first 10, grows by the step if
|S - S'| <= 0.1 S', since no more is to be gained from the fast, and shrinks if |S - S'| >= 5 S'.
The preferred duration T is the p-th percentile of all durations known.

The closed rounds do not hold why a client was chosen: its first round counts as exploration, later
ones as exploitation.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

from scheduler.policies.selection_context import SelectionContext

_FIRST_PERCENTILE = 10.0
_EVERYBODY = 100.0


def preferred_duration_s(context: SelectionContext, durations_s: Iterable[float]) -> float:
    """Return T, the pacer's percentile of the durations known: at least one, in seconds.

    It is infinite once the pacer includes all clients.
    """
    percentile = _percentile(context)
    if percentile >= _EVERYBODY:
        return math.inf
    ranked = sorted(durations_s)
    return ranked[min(int(len(ranked) * percentile / 100.0), len(ranked) - 1)]


def _percentile(context: SelectionContext) -> float:
    """Return p, folded over the closed rounds; an unknown utility is left out of its mean."""
    step, window = context.options["pacer_step"], max(1, int(context.options["pacer_window"]))
    gained: dict[int, float] = defaultdict(float)
    seen: set[str] = set()
    for done in context.past:
        known = [u.utility for c, u in done.updates.items() if c in seen and u.utility is not None]
        gained[done.number] = fmean(known) if known else 0.0
        seen |= done.updates.keys()
    percentile = _FIRST_PERCENTILE
    for number in range(2 * window, context.number + 1, window):
        before = sum(gained[i] for i in range(number - 2 * window, number - window))
        change = abs(sum(gained[i] for i in range(number - window, number)) - before)
        if change <= 0.1 * before:
            percentile = min(_EVERYBODY, percentile + step)
        elif change >= 5.0 * before:
            percentile = max(step, percentile - step)
    return percentile
