"""What waiting for an hour costs: the candidates' reserved machines draw power until it begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats
from scheduler.policies.planning.hourly_emissions import WH_PER_KWH, HourlyEmissions
from scheduler.policies.planning.reservation_prices import ReservationPrices


def idle_until(pool: CandidateTable, emissions: HourlyEmissions) -> Floats:
    """Return what waiting machines emit from now until the begin of each hour; `(H,)` in gCO2eq.

    The running hour counts whole. Idle watts that are unknown are left out.
    """
    idle_w = np.bincount(
        emissions.zone, weights=np.nan_to_num(pool.idle_w), minlength=len(emissions.ahead)
    )
    until: Floats = np.zeros(emissions.hours)
    until[1:] = np.cumsum(idle_w @ emissions.ahead[:, :-1]) / WH_PER_KWH
    return until


def less_idle(
    prices: ReservationPrices, pool: CandidateTable, emissions: HourlyEmissions
) -> ReservationPrices:
    """Return prices whose hours are worth less by what waiting for them emits."""
    until = idle_until(pool, emissions)
    if not until.any():
        return prices
    return replace(prices, hours_gco2eq=prices.hours_gco2eq - until)
