"""Invite the clients that gain least by waiting; clients that took part more often wait longer.

Wiesner, Schellenberger and Grinwald, "Lowcarb", a plugin for Flower, Carbon Hack 2022,
github.com/birnbaum/flwr-lowcarb. There is no paper; the formulas are those of its
`CarbonAwareStrategy`. With p_c the rounds client c took part in, H the hours looked ahead and
CI_c(h) the forecast of its grid in h hours:

    window_c = round(max(0, 2 p_c / p_max - 1) * H); H for all while p_max = 0
    score_c  = MAX - CI_c(0)                                if window_c = 0
               min over 1 <= h <= window_c of CI_c(h) - CI_c(0)    otherwise
               -MAX                                         if p_c > 80th percentile of all p
    The n clients with the highest scores train.

So a client with at most about half of the most rounds trains at once, the cleanest of them first;
the others train when their grid is about to get dirtier, not while it is about to get cleaner; and
the barred fill only places that no other client takes.

Simplified: the three kinds of score are compared as a tuple, kind first, because MAX - CI_c(0)
loses CI_c(0) to rounding where MAX is the greatest integer. Ties go by id; the original leaves them
to its sort. Participation is counted in updates of closed rounds, not in invitations. A forecast
shorter than the window is used as far as it goes.
"""

from __future__ import annotations

import numpy as np

from scheduler.policies.past_rounds import num_updates
from scheduler.policies.selection_context import Candidate, SelectionContext

_BARRED_ABOVE = 0.8
"""Quantile of participation above which a client is invited only if no other is left."""

Rank = tuple[bool, bool, float]
"""Whether it is barred, whether it may wait, and then CI_c(0), or what waiting gains: least first.

The last is in gCO2eq/kWh.
"""


def select(context: SelectionContext) -> list[str]:
    """Return those with the highest scores.

    A candidate whose intensity now is unknown is left out, and so is one with a window and no
    forecast of its next hour: what it would gain by waiting is unknown.
    """
    candidates = context.candidates
    if not candidates:
        return []
    rounds = num_updates(context.past)
    p = [rounds.get(candidate.client, 0) for candidate in candidates]
    p_max, limit = max(p), float(np.quantile(p, _BARRED_ABOVE))
    horizon_h = int(context.options["horizon_h"])
    ranks: list[tuple[Rank, str]] = []
    for candidate, p_c in zip(candidates, p, strict=True):
        rank = _rank(candidate, _window_h(p_c, p_max, horizon_h), barred=p_c > limit)
        if rank is not None:
            ranks.append((rank, candidate.client))
    return [client for _, client in sorted(ranks)[: context.wanted]]


def _window_h(p_c: int, p_max: int, horizon_h: int) -> int:
    if p_max == 0:
        return horizon_h
    return round(max(0.0, 2 * p_c / p_max - 1) * horizon_h)


def _rank(candidate: Candidate, window_h: int, *, barred: bool) -> Rank | None:
    """Return the negated score, so that the least is best; `None` where it is unknown."""
    now = candidate.intensity_gco2eq_per_kwh
    if now is None:
        return None
    if window_h == 0:
        return barred, False, now
    future = candidate.forecast_gco2eq_per_kwh[1 : window_h + 1]
    return (barred, True, now - min(future)) if future else None
