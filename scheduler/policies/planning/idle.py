"""What waiting for an hour costs: the candidates' reserved machines draw power until it begins."""

from __future__ import annotations

import numpy as np

from scheduler.policies.candidate_table import Bools, CandidateTable, Floats
from scheduler.policies.planning.hourly_emissions import WH_PER_KWH, HourlyEmissions


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


def waits_in_vain(pool: CandidateTable, emissions: HourlyEmissions) -> Bools:
    """Return for which candidates each hour to come costs more than now, waiting included; `(N,)`.

    That is what an update emits in it, and what the candidate's own machine emits until then. Of
    those whose idle watts are unknown, none.
    """
    idle_w = np.nan_to_num(pool.idle_w)
    vain: Bools = idle_w > 0
    until = np.zeros(len(emissions.ahead))
    for hour in range(1, emissions.hours if vain.any() else 1):
        until += emissions.ahead[:, hour - 1] / WH_PER_KWH
        costs = emissions.gco2eq(hour) + idle_w * until[emissions.zone]
        vain &= costs > emissions.gco2eq(0)
    return vain
