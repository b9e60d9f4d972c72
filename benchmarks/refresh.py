"""What a refresh of many zones takes, from a provider that answers in 100 ms, over real sockets."""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from common.settings import Settings
from scheduler.carbon.refresh import refresh_now
from scheduler.carbon.zone_history import ZoneHistory
from tasks.coordinator.sources import Sources, for_each_zone
from tasks.coordinator.zone_histories import ZoneHistories
from tasks.local.processes import Processes
from tasks.local.redis_server import RedisServer
from tasks.roles import carbon_folder
from tests.fakes.electricity_maps import KEY, FakeElectricityMaps

_ZONES = 300
_LATENCY_S = 0.1
_TARGET_S = 3.0
_ONE_BY_ONE = 20
"""Zones refreshed one after the other, for comparison; the rest would take as long each."""


_NAMES = [f"Z{number}" for number in range(_ZONES + _ONE_BY_ONE + 1)]


def measure_refresh() -> None:
    """Print how long it takes to learn what holds now in 300 zones, and one by one."""
    print(f"refresh: {_ZONES} zones, {_LATENCY_S:g} s an answer ...", flush=True)
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        server = RedisServer(processes)
        # In this process, so its own work is in the figures, too.
        with FakeElectricityMaps(zones=_NAMES, latency_s=_LATENCY_S) as provider:
            settings = Settings(
                home=Path(folder) / "home",
                redis_url=server.redis_url,
                signal=("electricity_maps",),
                electricity_maps_key=SecretStr(KEY),
                electricity_maps_url=f"{provider.url}/v4",
                electricity_maps_per_hour=100_000,
            )
            at_once_s, one_by_one_s = _measure(settings)
    verdict = "met" if at_once_s <= _TARGET_S else "missed"
    print(f"\nrefresh of {_ZONES} zones, what holds now, kept on disk")
    print(f"  at once          {at_once_s:8.2f} s   aimed at {_TARGET_S:g} s: {verdict}")
    print(f"  one by one       {one_by_one_s:8.2f} s   from {_ONE_BY_ONE} of them")
    print(f"  ratio            {one_by_one_s / at_once_s:8.1f}", flush=True)


def _measure(settings: Settings) -> tuple[float, float]:
    sources, histories = Sources(settings), ZoneHistories(carbon_folder(settings.folder))
    now, bridged = settings.clock.now, timedelta(hours=settings.stale_h)

    async def refresh(known: ZoneHistory) -> ZoneHistory:
        return await refresh_now(known, sources.chain(known.zone), now=now(), bridged=bridged)

    *zones, first = _NAMES
    sources.run(refresh(ZoneHistory(first)))  # reads the plan of the key, once a day
    begun_s = time.perf_counter()
    with histories.flight(zones[:_ZONES]) as mine:
        known = histories.load(mine)
        histories.save(sources.run(for_each_zone(known.values(), refresh)))
    at_once_s = time.perf_counter() - begun_s
    begun_s = time.perf_counter()
    for zone in zones[_ZONES:]:
        sources.run(refresh(ZoneHistory(zone)))
    one_by_one_s = (time.perf_counter() - begun_s) * _ZONES / _ONE_BY_ONE
    sources.run(_close(sources))
    return at_once_s, one_by_one_s


async def _close(sources: Sources) -> None:
    await asyncio.gather(*(source.close() for source in sources))
