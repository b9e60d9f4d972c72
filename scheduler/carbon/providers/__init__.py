"""Live sources of carbon intensities, one a module, each over one fetcher."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import httpx

from common.errors import SettingError
from common.settings import Settings
from common.settings.carbon import Source
from scheduler.carbon.http.access import Access
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.limits import ProviderAccount, ProviderLimits
from scheduler.carbon.provider import Provider
from scheduler.carbon.providers import electricity_maps, neso, watttime, watttime_session

PROVIDERS: dict[
    Source, tuple[Callable[[Settings], Access], Callable[[Fetcher, Settings], Provider]]
] = {
    "electricity_maps": (electricity_maps.access, electricity_maps.ElectricityMaps),
    "watttime": (watttime_session.access, watttime.WattTime),
    "neso": (neso.access, neso.Neso),
}
"""Access and constructor of each provider; `docs/carbon-providers.md` adds a sixth."""


def make_provider(
    settings: Settings,
    name: Source,
    *,
    provider_limits: ProviderLimits,
    now: Callable[[], datetime],
    transport: httpx.AsyncBaseTransport | None = None,
) -> Provider:
    """Return a live source. It sends no request yet and needs no event loop.

    Args:
        settings: Its key, address, zones and budget.
        name: One of `PROVIDERS`.
        provider_limits: Shared by all processes that use the same account.
        now: The grid clock.
        transport: Carries its requests instead of the network.

    Raises:
        SettingError: If its key is missing, or its figures would be of other hours than the grid
            clock's.
    """
    reach, make = PROVIDERS[name]
    access = reach(settings)
    _refuse_other_hours(settings, name, access)
    return make(
        Fetcher(access, provider_limits=provider_limits, now=now, transport=transport), settings
    )


def make_account(settings: Settings, name: Source) -> ProviderAccount:
    """Return the account of a live source, e.g. to show its limits.

    Raises:
        SettingError: If its key is missing.
    """
    return PROVIDERS[name][0](settings).account


def live_names(settings: Settings) -> tuple[Source, ...]:
    """Return every live source that some zone's chain names, each once, in order."""
    chains = (settings.signal, *settings.signal_by_zone.values())
    return tuple(dict.fromkeys(name for chain in chains for name in chain if name in PROVIDERS))


def refuse_unready(settings: Settings) -> None:
    """Refuse settings under which a live source that they name could not response.

    Raises:
        SettingError: If a key is missing, or the grid clock is not the wall clock although a
            provider's public address is used.
    """
    for name in live_names(settings):
        _refuse_other_hours(settings, name, PROVIDERS[name][0](settings))


def _refuse_other_hours(settings: Settings, name: Source, access: Access) -> None:
    clock, public = settings.clock, Settings.model_fields[f"{name}_url"].default
    agrees = clock.speed == 1 and clock.grid_start == clock.wall_start
    if agrees or httpx.URL(access.base_url).host != httpx.URL(public).host:
        return
    msg = (
        f"The grid clock is not the wall clock, but {name} reports today: its figures would be "
        f"booked for other hours, so nothing was started. Unset FAIRWIND_GRID_SPEED, "
        f"FAIRWIND_GRID_START and FAIRWIND_WALL_START, or name another signal."
    )
    raise SettingError(msg)
