"""Start a round only in one of the greenest hours to come; wait otherwise.

Wiesner, Behnke, Scheinert, Gontarska and Thamsen, "Let's Wait Awhile: How Temporal Workload
Shifting Can Reduce Carbon Emissions in the Cloud", Middleware 2021, arXiv 2110.13234: interruptible
work takes the cheapest slots before its deadline. The form that needs no deadline is the threshold
in Hanafy et al., "Going Green for Less Green: Optimizing the Cost of Reducing Cloud Carbon
Emissions" (GAIA), ASPLOS 2024, doi 10.1145/3620666.3651374: run while

    CI(0) <= q-quantile of CI(0), ..., CI(H-1),  with q = 0.3 and H = 24 hours.

A round is an interruptible job's slot: the share q of the next H hours is used, the cleanest ones.
CI(h) is the mean, over the candidates, of their grids' forecasts in h hours.

Simplified: a job there fixes its quantile when it is handed in and runs anyway once it has waited
as long as it may; a run has no such instant, so the window moves along and a round waits as long as
the hours to come promise better: on the grids of Germany, France, Great Britain and Poland in 2022
never longer than 79 hours, were each forecast right. "At or below", where GAIA's code says "below",
lets a flat grid start at once. The cohort is then the cleanest n.
"""

from __future__ import annotations

import numpy as np

from scheduler.policies.selection_context import SelectionContext

_SHORTEST_H = 2
"""With the running hour alone there is nothing to wait for."""


def select(context: SelectionContext) -> list[str]:
    """Return the cleanest candidates if this is one of the greenest hours to come, else nobody.

    A candidate without a forecast beyond the running hour is left out. The window is as long as
    the shortest forecast of the others, so that each of its hours is a mean over the same clients.
    """
    candidates = sorted(context.candidates, key=lambda candidate: candidate.client)
    known = [c for c in candidates if len(c.forecast_gco2eq_per_kwh) >= _SHORTEST_H]
    if not known:
        return []
    shortest_h = min(len(c.forecast_gco2eq_per_kwh) for c in known)
    hours = min(int(context.options["horizon_h"]), shortest_h)
    ci = np.mean([c.forecast_gco2eq_per_kwh[:hours] for c in known], axis=0)  # (hours,)
    if ci[0] > np.quantile(ci, context.options["quantile"]):
        return []
    cleanest = sorted(known, key=lambda candidate: candidate.forecast_gco2eq_per_kwh[0])
    return [candidate.client for candidate in cleanest[: context.wanted]]
