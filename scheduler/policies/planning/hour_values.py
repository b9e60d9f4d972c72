"""Hour values: what each of the hours ahead is worth to a round that may wait for one of them.

An hour is worth the sum of the greatest gains of clients that would train in it, as many as a round
has places (`planning.reservation_prices`), less what reserved machines emit that wait for it
(`planning.idle`). A plan with time to spare takes the best hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.policies.candidate_table import Floats
from scheduler.policies.planning.hourly_emissions import WH_PER_KWH, HourlyEmissions
from scheduler.policies.planning.reservation_prices import ReservationPrices

_AT_ONCE = 1 << 17
"""So many gains are computed at a time: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class HourValues:
    """The value of H hours.

    Attributes:
        worth: Of each hour, in the unit of the gains; `(H,)`.
        saves_gco2eq: What the cohort of the best hour emits less in it than now, with all the
            run's epochs, less `idle_gco2eq`; of cohorts that gain alike, the one that saves least.
        idle_gco2eq: What waiting machines emit until the best hour, as far as it is known.
    """

    worth: Floats
    saves_gco2eq: float
    idle_gco2eq: float

    def better_hours(self) -> int:
        """Return how many of the hours to come have a greater value than the current one."""
        return int((self.worth[1:] > self.worth[0]).sum())

    def best_hour(self) -> int:
        """Return the hour of the greatest value, counted from the current one."""
        return int(self.worth.argmax())


def hour_values(
    emissions: HourlyEmissions, prices: ReservationPrices, idle_gco2eq: Floats, *, places: int
) -> HourValues:
    """Return the value of each hour.

    Args:
        emissions: The candidates.
        prices: Theirs.
        idle_gco2eq: What waiting machines emit until each hour begins; `(H,)`. Where gains are
            shares, these grams are shares of what a candidate usually emits, in the mean.
        places: Of a round, at most as many as candidates.
    """
    worth = _worth(emissions, prices, places=places) - idle_gco2eq / prices.unit_gco2eq.mean()
    best = int(worth.argmax())
    saves_gco2eq = _saves_gco2eq(emissions, prices, best, places=places)
    idle = float(idle_gco2eq[best])
    return HourValues(worth, saves_gco2eq - idle, idle)


def _worth(emissions: HourlyEmissions, prices: ReservationPrices, *, places: int) -> Floats:
    worth = np.empty(emissions.hours)
    price = prices.price_gco2eq / prices.unit_gco2eq
    per_intensity = emissions.energy_wh / -WH_PER_KWH / prices.unit_gco2eq
    step = max(1, _AT_ONCE // len(price))
    for begin in range(0, emissions.hours, step):
        ahead = np.ascontiguousarray(emissions.ahead[:, begin : begin + step].T)
        gains = np.take(ahead, emissions.zone, axis=1)
        gains *= per_intensity
        gains += price
        if places < len(price):
            gains.partition(len(price) - places, axis=1)
            gains = gains[:, len(price) - places :]
        worth[begin : begin + step] = prices.rounded(gains).sum(axis=1)
    return prices.rounded(worth)


def _saves_gco2eq(
    emissions: HourlyEmissions, prices: ReservationPrices, hour: int, *, places: int
) -> float:
    grams = emissions.gco2eq(hour)
    saved = emissions.gco2eq(0) - grams
    gains = prices.rounded((prices.price_gco2eq - grams) / prices.unit_gco2eq)
    cohort = np.lexsort((saved, -gains))[:places]
    return float(saved[cohort].sum())
