"""Reservation prices: the most that each client should emit for an update in the current hour.

A client that is due k updates within the next H hours emits least in its k cleanest hours. Its
reservation price is what an update emits in the last of these; its gain from training in an hour is
the price less what it would emit then. The value of an hour is the sum of the greatest gains, and a
plan with time to spare takes the best hours. Both are the dual prices of the plan of least
emissions,

    min  sum_{c,t} g_{c,t} a_{c,t}   s.t.  sum_t a_{c,t} = k_c,  0 <= a_{c,t} <= 1

whose answer is a_{c,t} = 1 exactly where g_{c,t} is below the price of c. Where rounds are shorter
than an hour, an hour holds several updates of a client: k updates fill fewer hours. The threshold
on a quantile of the hours ahead is that of Hanafy et al., "Going Green for Less Green: Optimizing
the Cost of Reducing Cloud Carbon Emissions" (GAIA), ASPLOS 2024; here the quantile k/H follows from
what is due and moves by itself as time passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.policies.candidate_table import Floats
from scheduler.policies.planning.hourly_emissions import WH_PER_KWH, HourlyEmissions

_DIGITS = 9
"""Gains that agree to so many digits, relative to the greatest price, are equal."""

_LEAST_GCO2EQ = 1e-9

_AT_ONCE = 1 << 17
"""So many gains are computed at a time: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class ReservationPrices:
    """Prices and gains; N candidates, H hours.

    Attributes:
        price_gco2eq: Reservation price of each for a whole update, `(N,)`.
        gain_gco2eq: Of training in the current hour, `(N,)`.
        hours_gco2eq: Value of each hour, `(H,)`.
    """

    price_gco2eq: Floats
    gain_gco2eq: Floats
    hours_gco2eq: Floats

    def better_hours(self) -> int:
        """Return how many of the hours to come have a greater value than the current one."""
        return int((self.hours_gco2eq[1:] > self.hours_gco2eq[0]).sum())

    def best_hour(self) -> int:
        """Return the hour of the greatest value, counted from the current one."""
        return int(self.hours_gco2eq.argmax())


def reservation_prices(
    emissions: HourlyEmissions, due: Floats, *, places: int, updates_an_hour: float = 1.0
) -> ReservationPrices:
    """Return prices and gains.

    Args:
        emissions: The candidates.
        due: Updates that each should contribute within the hours ahead; below 0 for a client that
            has contributed more than its share, more than fit into these hours for a client that
            is far behind; `(N,)`.
        places: Of a round, at most N.
        updates_an_hour: Of one client, at least 1.
    """
    hours_due = np.where(due > 0, due / updates_an_hour, due)
    prices = _prices(emissions, hours_due)
    scale = max(float(prices.max()), _LEAST_GCO2EQ)
    gains = _rounded(prices - emissions.gco2eq(0), scale)
    return ReservationPrices(prices, gains, _worth(emissions, prices, scale, places=places))


def _worth(emissions: HourlyEmissions, prices: Floats, scale: float, *, places: int) -> Floats:
    """Return the sum of the greatest gains of each hour, as many as there are places; `(H,)`."""
    worth = np.empty(emissions.hours)
    step = max(1, _AT_ONCE // len(prices))
    for begin in range(0, emissions.hours, step):
        ahead = np.ascontiguousarray(emissions.ahead[:, begin : begin + step].T)
        gains = np.take(ahead, emissions.zone, axis=1)
        gains *= emissions.energy_wh / -WH_PER_KWH
        gains += prices
        if places < len(prices):
            gains.partition(len(prices) - places, axis=1)
            gains = gains[:, len(prices) - places :]
        worth[begin : begin + step] = _rounded(gains, scale).sum(axis=1)
    return _rounded(worth, scale)


def _rounded(figures: Floats, scale: float) -> Floats:
    rounded: Floats = np.round(figures / scale, _DIGITS) * scale
    return rounded


def _prices(emissions: HourlyEmissions, hours_due: Floats) -> Floats:
    """Return what each emits in the last of its cleanest hours, interpolated between two.

    A client ahead of its share pays less than its cleanest hour costs, one behind it more than its
    dirtiest, in proportion to the difference: participation evens out.
    """
    ordered = np.sort(emissions.ahead, axis=1)
    place = np.clip(hours_due - 0.5, 0, emissions.hours - 1)
    below = place.astype(np.int64)
    above = np.minimum(below + 1, emissions.hours - 1)
    low, high = ordered[emissions.zone, below], ordered[emissions.zone, above]
    intensity = low + (place - below) * (high - low)
    intensity *= 1.0 + np.maximum(0.0, hours_due - emissions.hours) + np.clip(hours_due, -1.0, 0.0)
    prices: Floats = emissions.energy_wh * intensity / WH_PER_KWH
    return prices
