"""Reservation prices: the most that each client should emit for an update in the current hour.

A client that is due k updates within the next H hours emits least in its k cleanest hours. Its
reservation price is what an update emits in the last of these; its gain from training in an hour is
the price less what it would emit then. They are the dual prices of the plan of least emissions,

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
"""Figures that agree to so many digits, relative to the greatest price, are equal."""

_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class ReservationPrices:
    """Prices and gains of N candidates.

    Attributes:
        price_gco2eq: Reservation price of each for a whole update, `(N,)`.
        unit_gco2eq: What gains are measured in: a gram, or what a whole update of each usually
            emits; `(N,)`.
        gain: Of training in the current hour, in units; `(N,)`.
    """

    price_gco2eq: Floats
    unit_gco2eq: Floats
    gain: Floats

    def rounded(self, gains: Floats) -> Floats:
        """Return gains, of which those are equal that differ by errors of computation alone."""
        return _rounded(gains, self.price_gco2eq / self.unit_gco2eq)


def reservation_prices(
    emissions: HourlyEmissions,
    due: Floats,
    *,
    updates_an_hour: float = 1.0,
    relative: bool = False,
) -> ReservationPrices:
    """Return prices and gains.

    Args:
        emissions: The candidates.
        due: Updates that each should contribute within the hours ahead; below 0 for a client that
            has contributed more than its share, more than fit into these hours for a client that
            is far behind; `(N,)`.
        updates_an_hour: Of one client, at least 1.
        relative: Whether gains are shares of what a client usually emits; else they are grams.
    """
    hours_due = np.where(due > 0, due / updates_an_hour, due)
    prices = _prices(emissions, hours_due)
    usual = emissions.usual_gco2eq
    unit = np.where(usual > 0, usual, 1.0) if relative else np.ones(len(prices))
    gains = _rounded((prices - emissions.gco2eq(0)) / unit, prices / unit)
    return ReservationPrices(prices, unit, gains)


def _rounded(figures: Floats, prices: Floats) -> Floats:
    scale = max(float(prices.max()), _LEAST)
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
