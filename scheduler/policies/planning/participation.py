"""Participation: which share of all updates each client should give.

To estimate a mean over strata at least cost, strata are sampled in proportion to W_h S_h /
sqrt(C_h) (W. G. Cochran, "Sampling Techniques", 3rd edition, 1977, section 5.5).
"""

from __future__ import annotations

import numpy as np

from scheduler.policies.candidate_table import CandidateTable, Floats
from scheduler.policies.planning.hourly_emissions import HourlyEmissions
from scheduler.policies.planning.quotas import quotas

_SPREAD = 2.0
"""A client's loss counts at most this many times the median, and at least one over it."""


def participation(pool: CandidateTable, emissions: HourlyEmissions, *, fairness: float) -> Floats:
    """Return each candidate's share of all participations; they sum to 1, shape `(N,)`.

    W_h is the same for all, since examples are weighed when updates are added up.
    """
    spread = pool.utility / emissions.examples
    middle = np.nanmedian(spread) if not np.isnan(spread).all() else 1.0
    spread = np.where(np.isnan(spread), middle, spread) / (middle or 1.0)
    cost = emissions.usual_gco2eq / emissions.examples
    cost = np.maximum(cost, cost.max() * 1e-6) if cost.max() > 0 else np.ones(len(pool))
    return quotas(np.clip(spread, 1 / _SPREAD, _SPREAD) / np.sqrt(cost), fairness)
