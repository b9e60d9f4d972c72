"""A provider that asks a fake: everything as in a federation but the clock and the waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from common.settings import Settings
from scheduler.carbon.http.connection import RequestLimits
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.limits import AccountStatus
from scheduler.carbon.provider import Provider
from scheduler.carbon.providers import PROVIDERS
from tests.fakes import electricity_maps, neso, watttime
from tests.fakes.limits import MemoryLimits
from tests.fakes.server import Fake
from tests.unit.scheduler.carbon.http.limits_laws import Clock

T = TypeVar("T")

NOW = datetime(2026, 3, 1, 12, 10, tzinfo=UTC)
PATIENT = RequestLimits(longest_backoff_s=0.0)
HASTY = RequestLimits(deadline_s=0.3, longest_backoff_s=0.0)
SECRETS = (electricity_maps.KEY, watttime.PASSWORD, "wt-secret-token")

FAKES: dict[str, type[Fake]] = {
    "electricity_maps": electricity_maps.FakeElectricityMaps,
    "watttime": watttime.FakeWattTime,
    "neso": neso.FakeNeso,
}
ZONES = {"electricity_maps": "DE", "watttime": "US-CAL-CISO", "neso": "GB"}
PATHS = {"electricity_maps": "/carbon-intensity", "watttime": "/v3/", "neso": "/intensity"}
"""Where figures are asked for, apart from plans and logins."""


class Asking:
    """One provider, its fake, and the clock of both."""

    def __init__(
        self, name: str, fake: Fake, *, limits: RequestLimits = PATIENT, **changed: Any
    ) -> None:
        self.name = name
        self.fake = fake
        self.zone = ZONES[name]
        self.clock = Clock()
        self.clock.at = NOW
        fake.clock = self.clock
        self.settings = settings_for(fake, **changed)
        self.slept: list[float] = []
        self.provider_limits = MemoryLimits(self.clock, jitter=lambda: 0.5)
        reach, make = PROVIDERS[name]  # type: ignore[index]
        self.fetcher = Fetcher(
            reach(self.settings),
            provider_limits=self.provider_limits,
            now=self.clock,
            request_limits=limits,
            sleep=self._sleep,
            jitter=lambda: 0.5,
        )
        self.provider: Provider = make(self.fetcher, self.settings)

    def ask(self, question: Callable[[Provider], Awaitable[T]]) -> T:
        """Return the answer to a question, asked in an event loop of its own."""

        async def asked() -> T:
            try:
                return await question(self.provider)
            finally:
                await self.provider.close()

        return asyncio.run(asked())

    def status(self) -> AccountStatus:
        return asyncio.run(self.provider_limits.status(self.fetcher.account))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def settings_for(fake: Fake, **changed: Any) -> Settings:
    """Return settings under which every provider is at one fake."""
    return Settings(
        **{
            "electricity_maps_key": electricity_maps.KEY,
            "electricity_maps_url": f"{fake.url}/v4",
            "watttime_user": watttime.USER,
            "watttime_password": watttime.PASSWORD,
            "watttime_url": fake.url,
            "watttime_regions": {"US-CAL-CISO": "CAISO_NORTH"},
            "neso_url": fake.url,
        }
        | changed
    )
