"""WattTime v3: marginal emission rates (MOER) of grid regions; needs a login.

API: https://docs.watttime.org. Data: WattTime, under the terms of one's own plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pydantic import Field

from common.log import get_logger
from common.settings import Settings
from scheduler.carbon.family import Family
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.response import ProviderResponse
from scheduler.carbon.providers.series import (
    HALF_HOUR,
    Body,
    Figure,
    Utc,
    begun,
    chunks,
    from_now,
    half_hours,
    in_order,
    readings_of,
    within,
)
from scheduler.carbon.providers.watttime_session import SIGNAL, Session
from scheduler.carbon.reading import Reading
from scheduler.carbon.signal import HOUR, slot_start

_log = get_logger(__name__)

G_PER_KWH_PER_LB_PER_MWH = 0.45359237
"""The international pound is 453.59237 g (1959); a MWh is 1000 kWh."""

_UNITS = "lbs_co2_per_mwh"
_RANGE = timedelta(days=32)
_HORIZON_H = 72
_FINE_FOR = timedelta(days=1)
"""Of a longer past, half-hour means are returned: a month has 9,000 values of 5 minutes."""


class _Meta(Body):
    region: str
    signal_type: str
    units: str
    data_point_period_seconds: float = Field(default=300, ge=60, le=1800)
    generated_at: Utc | None = None
    warnings: tuple[Any, ...] = ()


class _WattTimeSeries(Body):
    data: list[Any]
    meta: _Meta


class _Point(Body):
    point_time: Utc
    value: Figure
    imputed_data_used: bool | None = None


class WattTime:
    """Answers for the region that a zone is mapped to, in 5-minute points, pounds per MWh.

    Args:
        fetcher: Sends the requests.
        settings: Login, and which region each zone is, by its name or its place.
    """

    name = "watttime"
    family = Family("marginal", "direct", "production")

    def __init__(self, fetcher: Fetcher, settings: Settings) -> None:
        self._fetcher = fetcher
        self._session = Session(fetcher, settings)

    async def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones it covers: those with a region or coordinates."""
        return self._session.zones

    async def now(self, zone: str) -> list[Reading]:
        """Return the 5 minutes that run and, as `future`, what follows; see `Provider.now`.

        WattTime documents the first point of a forecast as the figure for the present.
        """
        return await self._forecast(zone, "now")

    async def future(self, zone: str) -> list[Reading]:
        """Return the newest forecast: 5-minute points for an hour, then half-hour means."""
        return await self._forecast(zone, "future")

    async def past(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return what is known of `[start, end)`; of more than a day half-hour means."""
        found: list[Reading] = []
        start = slot_start(start, HALF_HOUR)
        for first, last in chunks(start, end, _RANGE):
            span = {"start": _iso(first), "end": _iso(last), "include_imputed_marker": "true"}
            response, series = await self._ask("/v3/historical", zone, "past", span)
            found += self._readings(response, series, issued_at=None)
        found = begun(within(in_order(found), start, end), self._fetcher.now())
        return half_hours(found, start) if end - start > _FINE_FOR else found

    async def close(self) -> None:
        """Close the connection."""
        await self._fetcher.close()

    async def _forecast(self, zone: str, endpoint: str) -> list[Reading]:
        params = {"horizon_hours": str(_HORIZON_H)}
        response, series = await self._ask("/v3/forecast", zone, endpoint, params)
        now = self._fetcher.now()
        issued_at = min(series.meta.generated_at or now, now)
        found = from_now(self._readings(response, series, issued_at=issued_at), now)
        if not found or not begun(found[:1], now):
            await self._fetcher.unavailable(response, "its first point is not of now")
        current = replace(found[0], quality="estimated", issued_at=None)
        return half_hours(
            [current, *found[1:]], slot_start(current.start + HOUR + HALF_HOUR, HALF_HOUR)
        )

    def _readings(
        self, response: ProviderResponse, series: _WattTimeSeries, *, issued_at: datetime | None
    ) -> list[Reading]:
        slot = timedelta(seconds=series.meta.data_point_period_seconds)
        read = partial(self._reading, zone=response.zone, slot=slot, issued_at=issued_at)
        return readings_of(series.data, read, source=self.name, zone=response.zone)

    def _reading(
        self, raw: object, *, zone: str, slot: timedelta, issued_at: datetime | None
    ) -> Reading | None:
        point = _Point.model_validate(raw)
        if point.value is None:
            return None
        return Reading(
            zone=zone,
            start=point.point_time,
            end=point.point_time + slot,
            gco2eq_per_kwh=point.value * G_PER_KWH_PER_LB_PER_MWH,
            source=self.name,
            family=self.family,
            quality="forecast" if issued_at else "estimated",
            method="imputed" if point.imputed_data_used else "",
            issued_at=issued_at,
        )

    async def _ask(
        self, path: str, zone: str, endpoint: str, params: Mapping[str, str]
    ) -> tuple[ProviderResponse, _WattTimeSeries]:
        """Return a response that is an intensity of the zone's region, and nothing else."""
        region = await self._session.region(zone)
        query = {"region": region, "signal_type": SIGNAL, **params}
        response = await self._session.get(path, query, zone, endpoint)
        series = await self._fetcher.expect(response, _WattTimeSeries)
        meta = series.meta
        if (meta.units, meta.signal_type) != (_UNITS, SIGNAL):
            what = f"{meta.signal_type} in {meta.units}, not {SIGNAL} in {_UNITS}"
            await self._fetcher.unavailable(response, f"{what}, so it is no carbon intensity")
        if meta.region != region:
            await self._fetcher.unavailable(response, "it is of another region")
        if meta.warnings:
            text = self._fetcher.redact(str(meta.warnings))
            _log.info("signal.warned", source=self.name, zone=zone, text=text)
        return response, series


def _iso(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
