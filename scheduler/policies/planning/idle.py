"""What waiting for an hour costs: the candidates' reserved machines draw power until it begins."""

from __future__ import annotations

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats
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
