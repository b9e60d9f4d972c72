"""The tasks about grids: `refresh_carbon` asks the live sources, `settle_carbon` looks back."""

from __future__ import annotations

import time
from datetime import timedelta

from common.errors import LedgerMovedError
from common.log import get_logger
from scheduler.carbon.refresh import refresh_around, refresh_now
from scheduler.carbon.zone_history import ZoneHistory
from tasks.app import app
from tasks.coordinator.coordinator import Coordinator, coordinator
from tasks.coordinator.settling import settle
from tasks.coordinator.sources import for_each_zone

_log = get_logger(__name__)


@app.task(name="refresh_carbon", throws=(LedgerMovedError,))
def refresh_carbon() -> None:
    """Ask the live sources about every zone with a client, once per zone and slot."""
    refresh(coordinator())


@app.task(name="settle_carbon", throws=(LedgerMovedError,))
def settle_carbon() -> None:
    """Replace what was booked on a guess by what has been measured since."""
    settle(coordinator())


def refresh(c: Coordinator) -> None:
    """Refresh all zone histories: first the present, then the past and the future.

    What holds now is shared before any other request, so that gates need not wait for it.
    """
    if c.histories is None or c.sources is None:
        return
    begun = time.perf_counter()
    clients = c.ledger.state().clients.values()
    sources, now = c.sources, c.clock.now
    bridged = timedelta(hours=c.settings.stale_h)

    async def present(known: ZoneHistory) -> ZoneHistory:
        return await refresh_now(known, sources.chain(known.zone), now=now(), bridged=bridged)

    async def more(known: ZoneHistory) -> ZoneHistory:
        return await refresh_around(known, sources.chain(known.zone), now=now())

    with c.histories.flight(client.zone for client in clients if not client.retired) as zones:
        known = {zone: _remembered(c, history) for zone, history in c.histories.load(zones).items()}
        for ask in (present, more):
            news = sources.run(for_each_zone(known.values(), ask))
            c.histories.save(news)
            known = {**known, **news}
            if news:
                seconds = round(time.perf_counter() - begun, 3)
                _log.info("carbon.refreshed", zones=len(news), asked=ask.__name__, seconds=seconds)


def _remembered(c: Coordinator, known: ZoneHistory) -> ZoneHistory:
    """Return a zone history that was lost with Redis, filled with the readings of the ledger."""
    series = c.ledger.state().grid.get(known.zone)
    if known.readings or series is None:
        return known
    chain = [provider.name for provider in c.sources.chain(known.zone)] if c.sources else []
    return known.supplement(series.readings(), chain, c.clock.now())
