"""Stagger: clients of an asynchronous run start at different minutes of their clean hours. Pure.

Where all clients of a zone start when its clean hour begins, they end together, too: their updates
fill several buffers at once, and all but the first are stale.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random

from scheduler.carbon.signal import HOUR, slot_start
from scheduler.federation.client import Client
from scheduler.federation.run import Run

_STARTS = 12
"""So many instants of an hour are starts: a plan is made for all clients of one together."""


def starts_to_come(
    run: Run, clients: Iterable[Client], now: datetime, stagger: timedelta
) -> dict[str, datetime]:
    """Return when the clients may start whose start in the running hour is still to come.

    A client that trained in this hour or the one before goes on at once: its updates end when they
    end. So do all in the run's first hour.

    Args:
        run: None of a synchronous one is staggered.
        clients: Those to look at.
        now: On the grid clock.
        stagger: Starts are spread over so much of the hour, from its beginning on.
    """
    hour = slot_start(now)
    if not run.spec.is_async or not stagger or run.grid_started_at >= hour:
        return {}
    starts = {
        client.id: hour + stagger * _draw(run.spec.seed, run.id, client.id, hour) / _STARTS
        for client in clients
        if client.trained_at is None or client.trained_at < hour - HOUR
    }
    return {client: start for client, start in starts.items() if start > now}


@lru_cache(maxsize=1 << 14)
def _draw(seed: int, run: str, client: str, hour: datetime) -> int:
    """Return one of the starts of an hour; looked up again and again within it."""
    drawn = Random(f"{seed}/{run}/{client}/{hour.isoformat()}")  # noqa: S311 - a draw, not a secret
    return drawn.randrange(_STARTS)
