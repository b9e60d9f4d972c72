"""The turning point: at which intensity of its grid now a candidate's lot would have turned."""

from __future__ import annotations

import numpy as np

from scheduler.policies.planning.ground import WH_PER_KWH, Ground
from scheduler.policies.planning.reserve import Reserve
from scheduler.policies.pool import Bools, Floats


def turning_points(
    ground: Ground, prices: Reserve, rival_gco2eq: Floats, *, chosen: Bools
) -> Floats:
    """Return below which intensity each would have gained more than its rival, `(N,)`; or NaN.

    The running hour is one of those from which a price is made, so the price moves with it. With k
    + f the place of the price among the H hours in order, whole and broken part, b the other H - 1
    hours in order, and x the running one, the gain for a unit of energy is

        max((1 - f) b[k - 1] + f b[k] - x,  f (b[k] - x))          for x <= b[k]
        min((1 - f) b[k] + f b[k + 1] - x,  (1 - f) (b[k] - x))    for x >= b[k]

    which never grows with x, so that it meets the rival's at one x. All else stays as it is: the
    other candidates, and everybody's share of participation, which the mean of the hours moves a
    little.

    Args:
        ground: The candidates.
        prices: Theirs.
        rival_gco2eq: The gain that each has to pass or fall behind, infinite without one; `(N,)`.
        chosen: Whether each was; `(N,)`.
    """
    with np.errstate(all="ignore"):  # no energy, or no hour further out: infinite, or NaN
        rival = rival_gco2eq / ground.energy_wh * WH_PER_KWH
        due = prices.hours_due
        later = np.sort(ground.ahead[:, 1:], axis=1)
        ordered = np.pad(later, ((0, 0), (1, 2)), constant_values=((0, 0), (-np.inf, np.inf)))
        place = np.clip(due - 0.5, 0, ground.hours - 1)
        k = place.astype(np.int64)
        f = place - k
        before, at, after = (ordered[ground.zone, k + n] for n in range(3))
        dirty = np.minimum(
            np.where(f > 0, (1 - f) * at + f * after, at) - rival, at - rival / (1 - f)
        )
        clean = np.maximum(
            np.where(f > 0, (1 - f) * before + f * at, before) - rival,
            np.where(f > 0, at - rival / f, -np.inf),
        )
        turns = np.where((rival > 0) | (rival == 0) & ~chosen, clean, dirty)
        left = np.clip(1 + due, 0, 1)  # of its cleanest hour's price, for who is ahead of its turn
        cheaper = np.where(left > 0, left * ordered[ground.zone, 1], 0.0) - rival
        turns = np.where(due < 0, np.minimum(cheaper, -rival / (1 - left)), turns)
        dirtiest = ordered[ground.zone, -3]
        dearer = (1 + due - ground.hours) * dirtiest - rival
        behind = np.where(chosen | (dearer > dirtiest), np.nan, dearer)
        turns = np.where(due > ground.hours, behind, turns)
    return np.where(np.isfinite(turns) & (turns > 0), turns, np.nan)
