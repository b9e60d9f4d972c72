"""Electricity Maps: some 350 zones of the world, average and flow-traced; needs a key.

API v4, or v3 by its address: https://portal.electricitymaps.com/docs. Data: Electricity Maps, under
the terms of one's own plan.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pydantic import Field

from common.errors import SignalNotOffered
from common.settings import Settings
from scheduler.carbon.family import Family
from scheduler.carbon.http.access import Access, address, required
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.limits import ProviderAccount
from scheduler.carbon.http.response import ProviderResponse
from scheduler.carbon.providers.electricity_maps_plan import CamelBody, KeyPlan
from scheduler.carbon.providers.series import (
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
from scheduler.carbon.signal import HOUR, slot_start

_RANGE = timedelta(hours=240)
"""Hourly values that one call of past-range returns."""

_RECENT = timedelta(hours=23)
"""What /history surely covers before the running hour."""

_HORIZON = timedelta(hours=72)

_SLOTS = {"hourly": HOUR, "15_minutes": timedelta(minutes=15), "5_minutes": timedelta(minutes=5)}


def access(settings: Settings) -> Access:
    """Return how Electricity Maps is reached.

    Raises:
        SettingError: If its key is missing.
    """
    key = required(
        settings.electricity_maps_key, ElectricityMaps.name, "FAIRWIND_ELECTRICITY_MAPS_KEY"
    )
    return Access(
        ProviderAccount.of(ElectricityMaps.name, key, settings.electricity_maps_per_hour),
        address(settings.electricity_maps_url, "FAIRWIND_ELECTRICITY_MAPS_URL"),
        headers={"auth-token": key},
        secrets=(key,),
    )


class _ZoneSeries(CamelBody):
    zone: str = Field(min_length=1)
    data: list[Any] | None = None
    history: list[Any] | None = None
    forecast: list[Any] | None = None
    updated_at: Utc | None = None
    temporal_granularity: str = "hourly"


class _Row(CamelBody):
    carbon_intensity: Figure
    datetime: Utc
    is_estimated: bool | None = None
    estimation_method: str | None = None
    emission_factor_type: str | None = None
    flow_traced: bool | None = None


class ElectricityMaps:
    """Answers in gCO2eq/kWh, hour by hour. The zone ids of Fairwind are those of this provider.

    Args:
        fetcher: Sends the requests.
        settings: Which emission factors, and zones that are requested by coordinates.
    """

    name = "electricity_maps"

    def __init__(self, fetcher: Fetcher, settings: Settings) -> None:
        self._fetcher = fetcher
        self._scope = settings.electricity_maps_scope
        self._coordinates = settings.zone_coordinates
        self._plan = KeyPlan(fetcher, settings)
        self.family = Family("average", self._scope, "consumption")

    async def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones it covers, sorted."""
        return await self._plan.zones()

    async def now(self, zone: str) -> list[Reading]:
        """Return the hour that runs, or the last one known; see `Provider.now`."""
        response = await self._plan.request("now", zone, {"emissionFactorType": self._scope})
        series = await self._series(response)
        found = self._readings(response, series, [response.body])
        if not found:
            await self._fetcher.unavailable(response, "no figure for this hour")
        if not begun(found, self._fetcher.now()):
            await self._fetcher.unavailable(response, "its hour is still to come: a clock is wrong")
        return found

    async def past(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return what is known of `[start, end)`; plans that are free know the last 24 hours."""
        recent_from = slot_start(self._fetcher.now()) - _RECENT
        if start >= recent_from:
            return within(await self._some_past("recent", zone, {}), start, end)
        found: list[Reading] = []
        try:
            for first, last in chunks(slot_start(start), end, _RANGE):
                span = {"start": _iso(first), "end": _iso(last)}
                found += await self._some_past("range", zone, span)
        except SignalNotOffered:
            if end <= recent_from:
                raise
            found = await self._some_past("recent", zone, {})
        return within(in_order(found), start, end)

    async def future(self, zone: str) -> list[Reading]:
        """Return the newest forecast; see `Provider.future`."""
        params = {"horizonHours": str(_HORIZON // HOUR), "emissionFactorType": self._scope}
        response = await self._plan.request("future", zone, params)
        series = await self._series(response)
        now = self._fetcher.now()
        issued_at = min(series.updated_at or now, now)
        found = self._readings(response, series, series.forecast or (), issued_at=issued_at)
        # One point more than the requested hours: the end of the last is the end.
        found = from_now(within(found, now, slot_start(now) + _HORIZON), now)
        if not found:
            await self._fetcher.unavailable(response, "no forecast from now on")
        return found

    async def close(self) -> None:
        """Close the connection."""
        await self._fetcher.close()

    async def _some_past(self, endpoint: str, zone: str, span: Mapping[str, str]) -> list[Reading]:
        response = await self._plan.request(
            endpoint, zone, {"emissionFactorType": self._scope, **span}
        )
        series = await self._series(response)
        rows = series.history if series.data is None else series.data
        return begun(self._readings(response, series, rows or ()), self._fetcher.now())

    async def _series(self, response: ProviderResponse) -> _ZoneSeries:
        """Return the body of a response, checked to be of the zone and of no sandbox."""
        series = await self._fetcher.expect(response, _ZoneSeries)
        if "SANDBOX" in json.dumps(response.body):
            await self._fetcher.shut(response, "a sandbox key, whose figures are made up")
        if response.zone not in self._coordinates and series.zone != response.zone:
            await self._fetcher.unavailable(response, "it is of another zone")
        if series.temporal_granularity not in _SLOTS:
            await self._fetcher.unavailable(response, "its slots are not of an hour or less")
        return series

    def _readings(
        self,
        response: ProviderResponse,
        series: _ZoneSeries,
        rows: Iterable[object],
        *,
        issued_at: datetime | None = None,
    ) -> list[Reading]:
        slot = _SLOTS[series.temporal_granularity]
        read = partial(self._reading, zone=response.zone, slot=slot, issued_at=issued_at)
        return readings_of(rows, read, source=self.name, zone=response.zone)

    def _reading(
        self, raw: object, *, zone: str, slot: timedelta, issued_at: datetime | None
    ) -> Reading | None:
        row = _Row.model_validate(raw)
        if row.carbon_intensity is None:
            return None
        if row.emission_factor_type not in {None, self._scope} or row.flow_traced is False:
            msg = f"it is of another family than requested ({self.family})"
            raise ValueError(msg)
        measured = row.is_estimated is False
        return Reading(
            zone=zone,
            start=row.datetime,
            end=row.datetime + slot,
            gco2eq_per_kwh=row.carbon_intensity,
            source=self.name,
            family=self.family,
            quality="forecast" if issued_at else "measured" if measured else "estimated",
            method=self._fetcher.redact(row.estimation_method or ""),
            issued_at=issued_at,
        )


def _iso(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
