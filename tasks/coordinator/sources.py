"""The live sources of one process: their connections, and the loop in which they are asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from common.errors import FairwindError
from common.log import get_logger
from common.settings import Settings
from common.settings.carbon import Source
from scheduler.carbon.http.limits import AccountStatus
from scheduler.carbon.local_signal import LOCAL, make_signal
from scheduler.carbon.provider import Provider
from scheduler.carbon.providers import live_names, make_account, make_provider, refuse_unready
from scheduler.carbon.signals.local import Local
from scheduler.carbon.sources import chain, family_of
from scheduler.carbon.zone_history import ZoneHistory
from tasks.coordinator.provider_limits import RedisLimits
from tasks.messaging.broker import check_usable, connect, connect_async
from tasks.roles import carbon_folder

_T = TypeVar("_T")
_log = get_logger(__name__)

_ZONES_KEPT_S = 86_400

_AT_ONCE = 48
"""Zones that are asked about at the same time: 300 at 100 ms each take seven turns."""


class Sources:
    """Every source that the settings name, made once, within the shared provider limits.

    Args:
        settings: Which they are, and their keys.

    Raises:
        SettingError: If a source lacks its key or its file.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runner = asyncio.Runner()
        self._provider_limits = RedisLimits(connect_async(settings), settings.clock.now)
        refuse_unready(settings)
        chains = (settings.signal, *settings.signal_by_zone.values())
        self._sources = {name: self._make(name) for names in chains for name in names}

    def chain(self, zone: str) -> list[Provider]:
        """Return the sources that are asked for a zone, best first."""
        return [self._sources[name] for name in chain(self._settings, zone)]

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._sources.values())

    def _make(self, name: Source) -> Provider:
        clock = self._settings.clock.now
        if name in LOCAL:
            family = family_of(self._settings, name)
            return Local(name, make_signal(self._settings, name), clock, family)
        return make_provider(self._settings, name, provider_limits=self._provider_limits, now=clock)

    def account_statuses(self) -> list[AccountStatus]:
        """Return how the account of each live source stands with it."""
        accounts = [make_account(self._settings, name) for name in live_names(self._settings)]

        async def ask() -> list[AccountStatus]:
            return [await self._provider_limits.status(account) for account in accounts]

        return self.run(ask())

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end; connections stay open for the next."""
        return self._runner.run(work)


def known_zones(settings: Settings) -> tuple[str, ...]:
    """Return the ids of the zones that any of several sources, or a live one, knows, sorted.

    What a live source says is kept on disk for a day: a health check must not spend its key's
    budget.

    Raises:
        BrokerError: If Redis does not answer, or runs no scripts.
        SignalError: If a live source does not say.
    """
    sources = Sources(settings)
    check_usable(connect(settings), to_run_scripts=True)
    names: set[str] = set()
    for source in sources:
        file = carbon_folder(settings.folder) / f"{source.name}.zones"
        known = _kept_zones(file)
        if known is None:
            known = sources.run(source.zones())
            _keep_zones(file, known)
        names.update(known)
    return tuple(sorted(names))


def _kept_zones(file: Path) -> Sequence[str] | None:
    """Return the zones that a source reported within a day; `None` if none are kept."""
    try:
        if not 0 <= time.time() - file.stat().st_mtime < _ZONES_KEPT_S:
            return None
        return file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None


def _keep_zones(file: Path, zones: Sequence[str]) -> None:
    """Keep the zones of a source. Where the disk takes nothing, the source is asked again."""
    partial = file.with_name(f"{file.name}.part")
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_text("\n".join(zones), encoding="utf-8")
        partial.replace(file)


async def for_each_zone(
    histories: Iterable[ZoneHistory], ask: Callable[[ZoneHistory], Awaitable[ZoneHistory]]
) -> Mapping[str, ZoneHistory]:
    """Ask about many zones at once, and return the zone histories that changed, by zone.

    One that fails in a way nobody foresaw is logged and left as it was; the others go on.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(known: ZoneHistory) -> ZoneHistory:
        async with slots:
            try:
                return await ask(known)
            except FairwindError as error:
                _log.error("refresh.failed", zone=known.zone, reason=str(error))
                return known
            except Exception:  # noqa: BLE001 - one zone's surprise must not hold up all others
                _log.exception("refresh.failed", zone=known.zone)
                return known

    before = list(histories)
    after = await asyncio.gather(*(one(known) for known in before))
    return {new.zone: new for old, new in zip(before, after, strict=True) if new is not old}
