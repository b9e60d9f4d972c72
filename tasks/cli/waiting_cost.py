"""What waiting costs, in sentences and as JSON: for `plan`, now and for the hours to come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from common.units import show_duration, show_energy, show_mass
from scheduler.carbon.grid import Grid
from scheduler.rounds.waiting_cost import ReservedPower, WaitBalance

_WORTH_SAYING_H = 1 / 60
_S_PER_H = 3600


def waiting_sentences(
    reserved: ReservedPower, balance: WaitBalance | None, grid: Grid, now: datetime, *, ahead: bool
) -> Iterator[str]:
    """Yield what an hour of waiting costs, and whether waiting or going faster emits less.

    Args:
        reserved: What the sites state.
        balance: Of a run's rounds; `None` if it has none.
        grid: Knows the intensities.
        now: On the grid clock.
        ahead: Whether these rounds are still to come.
    """
    if not reserved.stated:
        if reserved.unstated:
            yield "What waiting costs is unknown: no site states its idle watts (FAIRWIND_IDLE_W)."
        return
    yield _hour(reserved, grid, now)
    if balance is not None and balance.waited_h > _WORTH_SAYING_H:
        yield _compared(balance, ahead=ahead)


def waiting_json(
    reserved: ReservedPower, balance: WaitBalance | None, grid: Grid, now: datetime
) -> dict[str, Any]:
    """Return the same as JSON; grams are `None` where they are unknown."""
    return {
        "sites": reserved.stated,
        "unstated": reserved.unstated,
        "idle_w": reserved.all_w if reserved.stated else None,
        "idle_gco2eq_per_h": _per_h(reserved, grid, now) if reserved.stated else None,
        "rounds": balance.rounds if balance else 0,
        "waited_h": balance.waited_h if balance else None,
        "saved_gco2eq": balance.saved_gco2eq if balance else None,
        "idle_wh": balance.idle_wh if balance and reserved.stated else None,
        "idle_gco2eq": balance.idle_gco2eq if balance and reserved.stated else None,
        "faster_saves_gco2eq": balance.faster_saves_gco2eq if balance and reserved.stated else None,
    }


def _per_h(reserved: ReservedPower, grid: Grid, now: datetime) -> float | None:
    return reserved.gco2eq_per_h(grid, now, now)


def _hour(reserved: ReservedPower, grid: Grid, now: datetime) -> str:
    grams = _per_h(reserved, grid, now)
    emits = "emissions unknown" if grams is None else show_mass(grams)
    one = reserved.stated == 1
    return (
        f"An hour of waiting costs {show_energy(reserved.all_w)} ({emits}): the idle power of "
        f"{reserved.stated} reserved site{'' if one else 's'}{_unstated(reserved)}."
    )


def _unstated(reserved: ReservedPower) -> str:
    if not reserved.unstated:
        return ""
    does = "does" if reserved.unstated == 1 else "do"
    return f"; {reserved.unstated} more {does} not state it (FAIRWIND_IDLE_W)"


def _compared(balance: WaitBalance, *, ahead: bool) -> str:
    """Return what rounds wait for and what that costs, and which of the two is more."""
    which = "The rounds expected here wait" if ahead else f"The last {balance.rounds} waited"
    if not ahead and balance.rounds == 1:
        which = "The last round waited"
    idle = "unknown emissions" if balance.idle_gco2eq is None else show_mass(balance.idle_gco2eq)
    costs = (
        f"{which} {show_duration(balance.waited_h * _S_PER_H)} in all, which costs "
        f"{show_energy(balance.idle_wh)} ({idle})"
    )
    less = balance.faster_saves_gco2eq
    if balance.saved_gco2eq is None or less is None:
        return f"{costs}; whether it saves more is unknown."
    saves = f"{costs} and saves {show_mass(max(0.0, balance.saved_gco2eq))} of work"
    if less > 0:
        return f"{saves}: going faster emits {show_mass(less)} less."
    return f"{saves}: waiting emits {show_mass(-less)} less."
