"""What the page says of grams beside the view: settled or not, unknown, idle, and on the network.

Figures of different standing are told apart and never added: see `scheduler.accounting.booking`.
"""

from __future__ import annotations

from typing import Any

from scheduler.accounting.totals import Totals


def of_client(tally: Totals) -> dict[str, Any]:
    """Return how surely a client's grams are known; `None` where a site does not say."""
    return {
        "settled_gco2eq": tally.settled_gco2eq,
        "unknown_wh": tally.unknown_wh,
        "apart_gco2eq": tally.apart_gco2eq,
        "idle_wh": tally.idle_wh if tally.idle_known else None,
        "unreported": tally.unreported,
    }


def of_run(tally: Totals, *, settles: bool) -> dict[str, Any]:
    """Return what stands beside a run's own grams; zero is also what nobody says.

    Args:
        tally: The run's.
        settles: Whether measured intensities are ever sought; a local signal knows no better ones.
    """
    return {
        "settled_share": tally.settled_wh / tally.energy_wh
        if settles and tally.energy_wh
        else None,
        "idle_wh": tally.idle_wh if tally.idle_known else None,
        "idle_gco2eq": tally.idle_gco2eq if tally.idle_known else None,
        "network_wh": tally.network_wh,
        "network_gco2eq": tally.network_gco2eq,
        "embodied_gco2eq": tally.embodied_gco2eq,
    }
