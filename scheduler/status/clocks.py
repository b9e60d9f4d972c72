"""What is wrong with clocks: those of the clients' hosts, or the coordinator's own."""

from __future__ import annotations

from common.clock_difference import TO_SET_IT_RIGHT, show_difference
from scheduler.federation.federation import Federation
from scheduler.status.names import SHOWN_NAMES, listed

_ALIKE_S = 60.0
"""Differences that are so close come from one wrong clock: the one they are compared to."""

_SEVERAL = 2


def clock_sentence(state: Federation) -> str | None:
    """Return which clocks are wrong, what follows and what to do; `None` if none is known to be."""
    alive = [client for client in state.enrolled() if client.alive]
    ahead_s = {client.id: client.clock_ahead_s for client in alive if client.clock_ahead_s}
    if not ahead_s:
        return None
    spread_s = max(ahead_s.values()) - min(ahead_s.values())
    if len(ahead_s) == len(alive) >= _SEVERAL and spread_s < _ALIKE_S:
        own = show_difference(-max(ahead_s.values(), key=abs))
        return (
            f"The clock of the coordinator is {own}, compared with those of all {len(alive)} "
            "clients, so work is booked at the wrong hours. Set the wrong one right: "
            f"{TO_SET_IT_RIGHT}"
        )
    parts = [f"that of {name} is {show_difference(each)}" for name, each in ahead_s.items()]
    parts[0] = parts[0].replace("that", "The clock", 1)
    its, there = ("its", "there") if len(ahead_s) == 1 else ("their", "at each")
    return (
        f"{listed(parts, most=SHOWN_NAMES)}. So {its} own hours begin at the wrong time; {its} "
        f"work is booked by the coordinator's clock. Set it right {there}: {TO_SET_IT_RIGHT}"
    )
