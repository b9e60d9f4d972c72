"""Reservation prices: what the running hour is worth to each client, against the hours to come.

A client that is due k updates within the next H hours does them most cleanly in its k cleanest
hours. Its price is what an update emits in the last of these; its gain from training in an hour is
the price less what it would emit then: what waiting would at best save, with the sign turned. An
hour is worth the gains of those who would gain most, and a plan with time to spare takes the best
hours. Both are the dual prices of the plan of least grams,

    min  sum_{c,t} g_{c,t} a_{c,t}   s.t.  sum_t a_{c,t} = k_c,  0 <= a_{c,t} <= 1

whose answer is a_{c,t} = 1 exactly where g_{c,t} is below the price of c. Where rounds are shorter
than an hour, an hour holds several updates of a client: k updates fill fewer hours. The threshold
on a quantile of the hours ahead is that of Hanafy et al., "Going Green for Less Green: Optimizing
the Cost of Reducing Cloud Carbon Emissions" (GAIA), ASPLOS 2024; here the quantile k/H follows from
what is due and moves by itself as time goes by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.policies.planning.ground import WH_PER_KWH, Ground
from scheduler.policies.pool import Floats

_DIGITS = 9
"""Gains that agree so far, relative to the greatest grams, are alike."""

_LEAST_GCO2EQ = 1e-9

_AT_ONCE = 1 << 17
"""So many gains are worked out at a time: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Prices and gains; N candidates, H hours.

    Attributes:
        price_gco2eq: What each pays for an update at most, `(N,)`.
        gain_gco2eq: Of training in the running hour, `(N,)`.
        hours_gco2eq: What each hour is worth, `(H,)`.
    """

    price_gco2eq: Floats
    gain_gco2eq: Floats
    hours_gco2eq: Floats

    def better_hours(self) -> int:
        """Return how many of the hours to come are worth more than the running one."""
        return int((self.hours_gco2eq[1:] > self.hours_gco2eq[0]).sum())

    def best_hour(self) -> int:
        """Return which hour is worth most, counted from the running one."""
        return int(self.hours_gco2eq.argmax())


def reserve(ground: Ground, due: Floats, *, places: int, updates_an_hour: float = 1.0) -> Reserve:
    """Return prices and gains.

    Args:
        ground: The candidates.
        due: Updates that each should give within the hours ahead; below 0 for who is ahead of its
            turn, more than fit into these hours for who is far behind; `(N,)`.
        places: Of a round, at most N.
        updates_an_hour: Of one client, at least 1.
    """
    hours_due = np.where(due > 0, due / updates_an_hour, due)
    prices = _prices(ground, hours_due)
    scale = max(float(prices.max()), _LEAST_GCO2EQ)
    gains = _rounded(prices - ground.gco2eq(0), scale)
    return Reserve(prices, gains, _worth(ground, prices, scale, places=places))


def _worth(ground: Ground, prices: Floats, scale: float, *, places: int) -> Floats:
    """Return the sum of the greatest gains of each hour, as many as there are places; `(H,)`."""
    worth = np.empty(ground.hours)
    step = max(1, _AT_ONCE // len(prices))
    for begin in range(0, ground.hours, step):
        ahead = np.ascontiguousarray(ground.ahead[:, begin : begin + step].T)
        gains = np.take(ahead, ground.zone, axis=1)
        gains *= ground.energy_wh / -WH_PER_KWH
        gains += prices
        if places < len(prices):
            gains.partition(len(prices) - places, axis=1)
            gains = gains[:, len(prices) - places :]
        worth[begin : begin + step] = _rounded(gains, scale).sum(axis=1)
    return _rounded(worth, scale)


def _rounded(figures: Floats, scale: float) -> Floats:
    rounded: Floats = np.round(figures / scale, _DIGITS) * scale
    return rounded


def _prices(ground: Ground, hours_due: Floats) -> Floats:
    """Return each one's grams in the last of its cleanest hours, between two in proportion.

    Who is ahead of its turn pays less than its cleanest hour costs, who is behind more than its
    dirtiest, in proportion to by how much: turns even out.
    """
    ordered = np.sort(ground.ahead, axis=1)
    place = np.clip(hours_due - 0.5, 0, ground.hours - 1)
    below = place.astype(np.int64)
    above = np.minimum(below + 1, ground.hours - 1)
    low, high = ordered[ground.zone, below], ordered[ground.zone, above]
    intensity = low + (place - below) * (high - low)
    intensity *= 1.0 + np.maximum(0.0, hours_due - ground.hours) + np.clip(hours_due, -1.0, 0.0)
    prices: Floats = ground.energy_wh * intensity / WH_PER_KWH
    return prices
