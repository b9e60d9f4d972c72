"""The share of a machine's manufacture that falls on one task."""

from __future__ import annotations

from models.energy.energy_source import SECONDS_PER_HOUR

_G_PER_KG = 1000.0


def embodied_gco2eq(
    task_s: float, *, embodied_kgco2eq: float, lifetime_h: float, share: float
) -> float:
    """Return the embodied emissions of a task in gCO2eq; no electricity is in them.

    Implements M = TE * TS * RS of the SCI specification 1.1, "Embodied emissions", with
    TS = TiR / EL and RS = RR / ToR: https://github.com/Green-Software-Foundation/sci.

    Args:
        task_s: TiR, the seconds for which the task held the hardware; not negative.
        embodied_kgco2eq: TE, the emissions of making, moving and disposing of the hardware.
        lifetime_h: EL, the hours the hardware is expected to be in use for; positive.
        share: RS, the part of the hardware that is reserved for us; above 0, at most 1.

    >>> embodied_gco2eq(36.0, embodied_kgco2eq=800.0, lifetime_h=8000.0, share=0.5)
    0.5
    """
    time_share = task_s / SECONDS_PER_HOUR / lifetime_h
    return embodied_kgco2eq * _G_PER_KG * time_share * share
