"""Invite the clients whose update emits least now.

The utilitarian end of Arputharaj, Rodriguez, Rodio and Neglia, "Green Federated Learning via
Carbon-Aware Client and Time Slot Scheduling", MASCOTS 2025, arXiv 2509.08980: at alpha = 1 its
objective sum_c (sum_t (g_max - g_c^t) a_c^t)^alpha is linear, with g_c^t = E_c * CI_c^t the grams
of client c's update in slot t, and a_c^t = 1 if it trains then.

Simplified: one slot, now, and n places instead of a budget of grams. The maximum of
sum_c (g_max - g_c) a_c under sum_c a_c = n is then the n least g_c, which no search improves. It is
also the rule that treats clients least equally: a client dirtier than n others never trains.
"""

from __future__ import annotations

import numpy as np

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.selection_context import SelectionContext


def select(context: SelectionContext) -> list[str]:
    """Return those with the least expected grams, ties by id.

    Where all grams are unknown, the intensity of the grid stands in for them. A candidate whose
    figure is unknown counts as the median of the known ones: neither preferred nor left out. If
    all is unknown, all tie.
    """
    pool = CandidateTable.of(context.candidates)
    # g_c, or CI_c if no g_c is known: one unit for all, as only its order matters.
    all_unknown = np.isnan(pool.gco2eq).all()
    costs = pool.intensity_gco2eq_per_kwh if all_unknown else pool.gco2eq
    if not np.isnan(costs).all():
        costs = np.where(np.isnan(costs), np.nanmedian(costs), costs)
    return [pool.clients[place] for place in pool.ranked(costs)[: context.wanted]]
