"""Admit by the rule that the seed of this project had: a carbon limit, then the ten best latencies.

"Sustainability-aware job scheduler for federated learning", LauzHack 2022, an extension of EPFL's
DISCO, https://devpost.com/software/sustainability-aware-job-scheduler-for-federated-learning; its
server's rule is `server/src/router/rules/carbon_intensity.ts` of github.com/epfml/disco at commit
169c0c2. Of a client that asks, with features (latency and carbon intensity) of all that asked:

    admit   if its own features are unknown, or if fewer than ten clients have features;
    refuse  if its grid is above 300 gCO2eq/kWh;
    admit   if it is among the ten of best latency, else refuse.

Carbon only refuses; it never ranks. What differs here:

- Latency is the time from issue to acceptance (`duration_s`), known once a client has trained, so
  that clients that never trained are admitted. DISCO has no cohorts: of more admitted clients than
  places, those that train are drawn by chance.
- The ten are taken of those within the limit. The source takes them of all clients, so that ten
  fast clients on dirty grids admit nobody ever.
- The source sorts the *highest* latencies first, against its own description, which prefers low
  ones. `slowest` 1 does as the source.
- An unknown intensity is not above the limit, as in the source.
"""

from __future__ import annotations

import numpy as np

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.selection_context import SelectionContext

_TEN = 10


def select(context: SelectionContext) -> list[str]:
    """Return the admitted clients, drawn by chance if there are more of them than places.

    Options: `limit_gco2eq_per_kwh`; `slowest`, above 0 for the highest latencies.
    """
    pool = CandidateTable.of(context.candidates)
    is_new = np.isnan(pool.duration_s)
    admitted = np.ones(len(pool), dtype=bool)
    if (~is_new).sum() >= _TEN:
        refused = pool.intensity_gco2eq_per_kwh > context.options["limit_gco2eq_per_kwh"]
        sign = -1.0 if context.options["slowest"] > 0 else 1.0
        ranked = pool.ranked(np.where(refused, np.nan, sign * pool.duration_s))
        admitted = is_new.copy()
        admitted[[place for place in ranked if not refused[place] and not is_new[place]][:_TEN]] = 1
    names = sorted(pool.clients[place] for place in np.flatnonzero(admitted).tolist())
    return sorted(context.rng.sample(names, min(context.wanted, len(names))))
