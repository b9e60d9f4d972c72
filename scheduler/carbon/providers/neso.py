"""NESO's Carbon Intensity API: Great Britain and its 17 regions, without a key.

API: https://carbon-intensity.github.io/api-definitions. Data: National Energy System Operator,
CC BY 4.0. Its intensities are direct: wind, solar, hydro and nuclear count 0, biomass 120.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pydantic import Field

from common.errors import SignalNotOffered
from common.settings import Settings
from scheduler.carbon.family import Family
from scheduler.carbon.http.access import Access, address
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.limits import ProviderAccount
from scheduler.carbon.http.response import ProviderResponse
from scheduler.carbon.providers.series import (
    HALF_HOUR,
    Body,
    Figure,
    Utc,
    begun,
    chunks,
    from_now,
    in_order,
    readings_of,
    within,
)
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import slot_start
from scheduler.ledger.events.grid import Quality

_RANGE = timedelta(days=14)

_REGIONS = (
    "GB-NORTH-SCOTLAND",
    "GB-SOUTH-SCOTLAND",
    "GB-NORTH-WEST-ENGLAND",
    "GB-NORTH-EAST-ENGLAND",
    "GB-YORKSHIRE",
    "GB-NORTH-WALES-MERSEYSIDE",
    "GB-SOUTH-WALES",
    "GB-WEST-MIDLANDS",
    "GB-EAST-MIDLANDS",
    "GB-EAST-ENGLAND",
    "GB-SOUTH-WEST-ENGLAND",
    "GB-SOUTH-ENGLAND",
    "GB-LONDON",
    "GB-SOUTH-EAST-ENGLAND",
    "GB-ENGLAND",
    "GB-SCOTLAND",
    "GB-WALES",
)
REGION_IDS = {zone: number for number, zone in enumerate(_REGIONS, start=1)}
"""The regions of the API by zone id."""

NATION = "GB"

_LOW_CARBON = {"wind", "solar", "hydro", "nuclear"}
"""Biomass and imports are left out: the API counts them with emissions."""


def access(settings: Settings) -> Access:
    """Return how NESO is reached; it needs no key."""
    account = ProviderAccount.of(Neso.name, None, settings.neso_per_hour)
    return Access(account, address(settings.neso_url, "FAIRWIND_NESO_URL"))


class _Intensity(Body):
    forecast: Figure = None
    actual: Figure = None


class _Fuel(Body):
    fuel: str
    perc: float


class _Slot(Body):
    from_: Utc = Field(alias="from")
    to: Utc
    intensity: _Intensity
    generationmix: tuple[_Fuel, ...] = ()


class _Nation(Body):
    data: list[Any]


class _NesoRegion(Body):
    regionid: int
    data: list[Any]


class _Regional(Body):
    data: _NesoRegion | list[_NesoRegion]


class Neso:
    """Answers in gCO2eq/kWh and half hours: the nation as measured, its regions as modelled.

    Args:
        fetcher: Sends the requests.
        settings: Not looked at; there is nothing to choose.
    """

    name = "neso"
    family = Family("average", "direct", "consumption")

    def __init__(self, fetcher: Fetcher, _settings: Settings) -> None:
        self._fetcher = fetcher

    async def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones it covers, sorted."""
        return tuple(sorted([NATION, *REGION_IDS]))

    async def now(self, zone: str) -> list[Reading]:
        """Return the half hour that runs and the 48 hours after it; see `Provider.now`."""
        # A minute past the begin of the slot, so that the slot before is not meant, too.
        first = slot_start(self._fetcher.now(), HALF_HOUR) + timedelta(minutes=1)
        response, rows = await self._ask(zone, "now", f"{_minute(first)}/fw48h")
        now = self._fetcher.now()
        found = from_now(self._readings(response, rows, now), now)
        if not found or not begun(found[:1], now):
            await self._fetcher.unavailable(response, "no figure for this half hour")
        return found

    async def future(self, zone: str) -> list[Reading]:
        """Return the forecast of the next 48 hours, the half hour that runs included."""
        return await self.now(zone)

    async def past(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return what is known of `[start, end)`; see `Provider.past`."""
        found: list[Reading] = []
        for first, last in chunks(slot_start(start, HALF_HOUR), end, _RANGE):
            response, rows = await self._ask(zone, "past", f"{_minute(first)}/{_minute(last)}")
            found += self._readings(response, rows, self._fetcher.now())
        return begun(within(in_order(found), start, end), self._fetcher.now())

    async def close(self) -> None:
        """Close the connection."""
        await self._fetcher.close()

    async def _ask(self, zone: str, endpoint: str, span: str) -> tuple[ProviderResponse, list[Any]]:
        """Return a response about a span of time, and its slots."""
        if zone == NATION:
            response = await self._get(f"/intensity/{span}", zone, endpoint)
            return response, (await self._fetcher.expect(response, _Nation)).data
        if zone not in REGION_IDS:
            msg = (
                f"{self.name} knows Great Britain only, not {zone}, so it is not asked. Name "
                f"{NATION} or a region such as GB-LONDON, or another signal for this zone."
            )
            raise SignalNotOffered(msg)
        path = f"/regional/intensity/{span}/regionid/{REGION_IDS[zone]}"
        response = await self._get(path, zone, endpoint)
        data = (await self._fetcher.expect(response, _Regional)).data
        regions = data if isinstance(data, list) else [data]
        if [region.regionid for region in regions] != [REGION_IDS[zone]]:
            await self._fetcher.unavailable(response, "it is of another region")
        return response, regions[0].data

    async def _get(self, path: str, zone: str, endpoint: str) -> ProviderResponse:
        response = await self._fetcher.get(path, zone=zone, endpoint=endpoint)
        if response.is_refusal:
            await self._fetcher.shut(response, "it refuses requests from this address")
        return response

    def _readings(
        self, response: ProviderResponse, rows: list[Any], now: datetime
    ) -> list[Reading]:
        read = partial(self._reading, zone=response.zone, now=now)
        return readings_of(rows, read, source=self.name, zone=response.zone)

    def _reading(self, raw: object, *, zone: str, now: datetime) -> Reading | None:
        slot = _Slot.model_validate(raw)
        value = slot.intensity.actual
        quality: Quality = "measured"
        if value is None:
            value = slot.intensity.forecast
            # Of a region no actual value is ever published: what was forecast last is what stays.
            final = slot.to <= now and zone != NATION
            quality = "estimated" if final else "forecast"
        if value is None:
            return None
        return Reading(
            zone=zone,
            start=slot.from_,
            end=slot.to,
            gco2eq_per_kwh=value,
            source=self.name,
            family=self.family,
            quality=quality,
            # Forecasts are revised until their slot begins.
            issued_at=min(now, slot.from_) if quality == "forecast" else None,
            low_carbon_share=_low_carbon_share(slot.generationmix),
        )


def _low_carbon_share(mix: Sequence[_Fuel]) -> float | None:
    """Return the share of wind, sun, water and nuclear power, from 0 to 1."""
    if not mix:
        return None
    return sum(part.perc for part in mix if part.fuel in _LOW_CARBON) / 100


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
