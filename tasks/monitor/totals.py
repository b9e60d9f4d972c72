"""Totals that the page shows beside the view: settled, unknown, idle and network figures.

Figures of different standing stand apart and are never added: see `scheduler.accounting.booking`.
"""

from __future__ import annotations

from typing import Any

from scheduler.accounting.totals import Totals


def client_totals(totals: Totals) -> dict[str, Any]:
    """Return what a client used in all runs, and how sure its grams are.

    `None` where a site does not report.
    """
    return {
        "energy_wh": totals.energy_wh,
        "gco2eq": totals.gco2eq,
        "settled_gco2eq": totals.settled_gco2eq,
        "unknown_wh": totals.unknown_wh,
        "apart_gco2eq": totals.apart_gco2eq,
        "idle_wh": totals.idle_wh if totals.idle_known else None,
        "unreported": totals.unreported,
    }


def run_totals(totals: Totals, *, settles: bool) -> dict[str, Any]:
    """Return what stands beside a run's own grams; a figure that no site reports is zero, too.

    Args:
        totals: Those of the run.
        settles: Whether measured intensities replace forecasts later; a local signal has none.
    """
    return {
        "settled_share": totals.settled_wh / totals.energy_wh
        if settles and totals.energy_wh
        else None,
        "idle_wh": totals.idle_wh if totals.idle_known else None,
        "idle_gco2eq": totals.idle_gco2eq if totals.idle_known else None,
        "network_wh": totals.network_wh,
        "network_gco2eq": totals.network_gco2eq,
        "embodied_gco2eq": totals.embodied_gco2eq,
    }
