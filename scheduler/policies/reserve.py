"""Reservation prices: what the running hour is worth to each client, against the hours to come.

A client that is due k updates within the next H hours does them most cleanly in its k cleanest
hours. Its price is what an update emits in the last of these; its gain from training in an hour is
the price less what it would emit then: what waiting would at best save, with the sign turned. An
hour is worth the gains of those who would gain most, and a plan with time to spare takes the best
hours. Both are the dual prices of the plan of least grams,

    min  sum_{c,t} g_{c,t} a_{c,t}   s.t.  sum_t a_{c,t} = k_c,  0 <= a_{c,t} <= 1

whose answer is a_{c,t} = 1 exactly where g_{c,t} is below the price of c. The threshold on a
quantile of the hours ahead is that of Hanafy et al., "Going Green for Less Green: Optimizing the
Cost of Reducing Cloud Carbon Emissions" (GAIA), ASPLOS 2024; here the quantile k/H follows from
what is due and moves by itself as time goes by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.policies.ground import WH_PER_KWH, Ground
from scheduler.policies.pool import Floats

_DIGITS = 9
"""Gains that agree so far, relative to the greatest grams, are alike."""


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


def reserve(ground: Ground, due: Floats, *, places: int) -> Reserve:
    """Return prices and gains.

    Args:
        ground: The candidates.
        due: Updates that each should give within the hours ahead; below 0 for who is ahead of its
            turn, above the number of hours for who is far behind; `(N,)`.
        places: Of a round, at most N.
    """
    prices = _prices(ground, due)
    scale = float(prices.max()) or 1.0
    worth = np.empty(ground.hours)
    gains = np.empty(0)
    for hour in range(ground.hours):
        gain = np.round((prices - ground.gco2eq(hour)) / scale, _DIGITS) * scale
        worth[hour] = np.partition(gain, len(gain) - places)[len(gain) - places :].sum()
        gains = gain if hour == 0 else gains
    return Reserve(prices, gains, np.round(worth / scale, _DIGITS) * scale)


def _prices(ground: Ground, due: Floats) -> Floats:
    """Return each one's grams in its `due`-th cleanest hour, between two of them in proportion.

    Who is ahead of its turn pays less than its cleanest hour costs, who is behind more than its
    dirtiest, in proportion to by how much: turns even out.
    """
    ordered = np.sort(ground.ahead, axis=1)
    place = np.clip(due - 0.5, 0, ground.hours - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, ground.hours - 1)
    low, high = ordered[ground.zone, below], ordered[ground.zone, above]
    intensity = low + (place - below) * (high - low)
    intensity = np.where(due <= 0, ordered[ground.zone, 0] * np.maximum(0.0, 1.0 + due), intensity)
    behind = np.maximum(0.0, due - ground.hours)
    intensity = np.where(behind > 0, ordered[ground.zone, -1] * (1.0 + behind), intensity)
    prices: Floats = ground.energy_wh * intensity / WH_PER_KWH
    return prices
