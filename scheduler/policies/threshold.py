"""Invite only where the grid is at or below a fixed carbon intensity.

The plainest carbon-aware rule, and the baseline of every other: suspend-and-resume at a threshold,
as batch systems do it; Hanafy et al., "Going Green for Less Green: Optimizing the Cost of Reducing
Cloud Carbon Emissions" (GAIA), ASPLOS 2024, compare with it under the name of Souza et al.,
"Ecovisor: A Virtual Energy System for Carbon-Efficient Applications", ASPLOS 2023,
arXiv 2210.04951. With the threshold theta and the intensity CI_i of client i's grid now:

    open = {i : CI_i <= theta}; the n cleanest of them train if there is a quorum, else nobody.

Simplified: theta is a number of gCO2eq/kWh, the same for all, where those papers take a quantile of
the job's own grid (see `green_window` for that). No client trains because it has waited long: at
200 g Germany stays out for 165 days on end, Poland all year (hourly life-cycle figures of
Electricity Maps, 2022).
"""

from __future__ import annotations

from scheduler.policies.candidate_table import CandidateTable
from scheduler.policies.selection_context import SelectionContext


def select(context: SelectionContext) -> list[str]:
    """Return the cleanest of those at or below the threshold; nobody if they make no quorum.

    A candidate whose intensity is unknown is left out: unknown is not clean.
    """
    theta = context.options["threshold_gco2eq_per_kwh"]
    pool = CandidateTable.of(context.candidates)
    ci = pool.intensity_gco2eq_per_kwh
    cleanest = [place for place in pool.ranked(ci) if ci[place] <= theta]
    if len(cleanest) < context.quorum:
        return []
    return [pool.clients[place] for place in cleanest[: context.wanted]]
