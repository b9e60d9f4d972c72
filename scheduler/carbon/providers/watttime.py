"""WattTime v3: marginal emission rates (MOER) of grid regions; needs a login.

API: https://docs.watttime.org. Data: WattTime, under the terms of one's own plan.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from pydantic import Field

from common.errors import SignalNotOffered
from common.log import get_logger
from common.settings import Settings
from scheduler.carbon.access import Access, address, required
from scheduler.carbon.answer import Answer
from scheduler.carbon.courtesy import Account
from scheduler.carbon.fetcher import Fetcher
from scheduler.carbon.providers.series import (
    HALF_HOUR,
    Body,
    Figure,
    Utc,
    begun,
    chunks,
    floor,
    from_now,
    half_hours,
    in_order,
    readings_of,
    within,
)
from scheduler.carbon.reading import Family, Reading
from scheduler.carbon.signal import HOUR

_log = get_logger(__name__)

G_PER_KWH_PER_LB_PER_MWH = 0.45359237
"""The international pound is 453.59237 g (1959); a MWh is 1000 kWh."""

_SIGNAL = "co2_moer"
_UNITS = "lbs_co2_per_mwh"
_PERIOD = timedelta(minutes=5)
_SENSELESS = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
_TOKEN_FOR = timedelta(minutes=28)  # it is good for 30
_REGION_FOR = timedelta(days=28)  # regions are redrawn now and then
_RANGE = timedelta(days=32)
_HORIZON_H = 72
_FINE_FOR = timedelta(days=1)
"""Of a longer past, half-hour means are returned: a month has 9,000 values of 5 minutes."""


def access(settings: Settings) -> Access:
    """Return how WattTime is reached.

    Raises:
        SettingError: If the user or the password is missing.
    """
    user = required(settings.watttime_user, WattTime.name, "FAIRWIND_WATTTIME_USER")
    password = required(settings.watttime_password, WattTime.name, "FAIRWIND_WATTTIME_PASSWORD")
    return Access(
        Account.of(WattTime.name, user, settings.watttime_per_hour),
        address(settings.watttime_url, "FAIRWIND_WATTTIME_URL"),
        secrets=(password, _basic(user, password)),
    )


class _Meta(Body):
    region: str
    signal_type: str
    units: str
    data_point_period_seconds: float = Field(default=300, ge=60, le=3600)
    generated_at: Utc | None = None
    warnings: tuple[Any, ...] = ()


class _Series(Body):
    data: list[Any]
    meta: _Meta


class _Point(Body):
    point_time: Utc
    value: Figure
    imputed_data_used: bool | None = None


class _Token(Body):
    token: str = Field(min_length=1)


class _Region(Body):
    region: str = Field(min_length=1)


class WattTime:
    """Answers for the region that a zone is mapped to, in 5-minute points, pounds per MWh.

    Args:
        fetcher: Asks for us.
        settings: Login, and which region each zone is, by its name or its place.
    """

    name = "watttime"
    family = Family("marginal", "direct", "production")

    def __init__(self, fetcher: Fetcher, settings: Settings) -> None:
        user = required(settings.watttime_user, self.name, "FAIRWIND_WATTTIME_USER")
        password = required(settings.watttime_password, self.name, "FAIRWIND_WATTTIME_PASSWORD")
        self._login = {"Authorization": f"Basic {_basic(user, password)}"}
        self._fetcher = fetcher
        self._named = settings.watttime_regions
        self._coordinates = settings.zone_coordinates
        self._located: dict[str, tuple[datetime, str]] = {}
        self._token = ""
        self._token_until: datetime | None = None

    async def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones it can be asked for: those with a region or a place."""
        return tuple(sorted({*self._named, *self._coordinates}))

    async def now(self, zone: str) -> list[Reading]:
        """Return the 5 minutes that run and, as `future`, what follows; see `Provider.now`.

        The first point of a forecast is what WattTime tells to rely on for the present.
        """
        return await self._forecast(zone, "now")

    async def future(self, zone: str) -> list[Reading]:
        """Return the newest forecast: 5-minute points for an hour, then half-hour means."""
        return await self._forecast(zone, "future")

    async def past(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return what is known of `[start, end)`; of more than a day half-hour means."""
        found: list[Reading] = []
        for first, last in chunks(start - _PERIOD, end, _RANGE):
            span = {"start": _iso(first), "end": _iso(last), "include_imputed_marker": "true"}
            answer, series = await self._ask("/v3/historical", zone, "past", span)
            found += self._readings(answer, series, issued_at=None)
        found = begun(within(in_order(found), start, end), self._fetcher.now())
        return half_hours(found, floor(start, HALF_HOUR)) if end - start > _FINE_FOR else found

    async def close(self) -> None:
        """Close the connection."""
        await self._fetcher.close()

    async def _forecast(self, zone: str, question: str) -> list[Reading]:
        params = {"horizon_hours": str(_HORIZON_H)}
        answer, series = await self._ask("/v3/forecast", zone, question, params)
        now = self._fetcher.now()
        issued_at = min(series.meta.generated_at or now, now)
        found = from_now(self._readings(answer, series, issued_at=issued_at), now)
        if not found or not begun(found[:1], now):
            await self._fetcher.unavailable(answer, "its first point is not of now")
        current = replace(found[0], quality="estimated", issued_at=None)
        return half_hours([current, *found[1:]], floor(current.start + HOUR + HALF_HOUR, HALF_HOUR))

    def _readings(
        self, answer: Answer, series: _Series, *, issued_at: datetime | None
    ) -> list[Reading]:
        slot = timedelta(seconds=series.meta.data_point_period_seconds)
        read = partial(self._reading, zone=answer.zone, slot=slot, issued_at=issued_at)
        return readings_of(series.data, read, source=self.name, zone=answer.zone)

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
        self, path: str, zone: str, question: str, params: Mapping[str, str]
    ) -> tuple[Answer, _Series]:
        """Return an answer that is an intensity of the zone's region, and nothing else."""
        region = await self._region(zone)
        query = {"region": region, "signal_type": _SIGNAL, **params}
        answer = await self._get(path, query, zone, question)
        series = await self._fetcher.expect(answer, _Series)
        meta = series.meta
        if (meta.units, meta.signal_type) != (_UNITS, _SIGNAL):
            what = f"{meta.signal_type} in {meta.units}, not {_SIGNAL} in {_UNITS}"
            await self._fetcher.unavailable(answer, f"{what}, so it is no carbon intensity")
        if meta.region != region:
            await self._fetcher.unavailable(answer, "it speaks of another region")
        if meta.warnings:
            said = self._fetcher.redact(str(meta.warnings))
            _log.info("signal.warned", source=self.name, zone=zone, said=said)
        return answer, series

    async def _region(self, zone: str) -> str:
        """Return the region of a zone: the one that is named, or the one at its place."""
        if zone in self._named:
            return self._named[zone]
        if zone not in self._coordinates:
            msg = (
                f"{self.name} knows regions, and no region is set for {zone}, so it is not asked. "
                f"Name it in FAIRWIND_WATTTIME_REGIONS, or its place in FAIRWIND_ZONE_COORDINATES."
            )
            raise SignalNotOffered(msg)
        until, region = self._located.get(zone, (self._fetcher.now(), ""))
        if self._fetcher.now() < until:
            return region
        latitude, longitude = self._coordinates[zone]
        query = {"latitude": str(latitude), "longitude": str(longitude), "signal_type": _SIGNAL}
        answer = await self._get("/v3/region-from-loc", query, zone, "region")
        if answer.status == HTTPStatus.NOT_FOUND:
            await self._fetcher.not_offered(answer)
        region = (await self._fetcher.expect(answer, _Region)).region
        self._located[zone] = self._fetcher.now() + _REGION_FOR, region
        return region

    async def _get(self, path: str, query: Mapping[str, str], zone: str, question: str) -> Answer:
        """Return an answer, logging in where that is due, and once more where it is refused."""
        token = await self._log_in(zone, instead_of=None)
        answer = await self._fetcher.get(
            path, query, zone=zone, question=question, headers=_bearer(token)
        )
        if answer.is_refusal and not _is_about_the_plan(answer):
            token = await self._log_in(zone, instead_of=token)
            answer = await self._fetcher.get(
                path, query, zone=zone, question=question, headers=_bearer(token)
            )
        if answer.is_refusal and not _is_about_the_plan(answer):
            await self._fetcher.shut(answer, "refused although just logged in")
        if answer.is_refusal or answer.status in _SENSELESS:
            await self._fetcher.not_offered(answer)
        return answer

    async def _log_in(self, zone: str, *, instead_of: str | None) -> str:
        """Return a token that is good, as far as is known; never the one that was refused."""
        async with self._fetcher.lock:
            now = self._fetcher.now()
            good = self._token_until is not None and now < self._token_until
            if not good or self._token == instead_of:
                answer = await self._fetcher.get(
                    "/login", zone=zone, question="login", headers=self._login
                )
                if answer.is_refusal:
                    await self._fetcher.shut(answer, "the login was refused")
                self._token = (await self._fetcher.expect(answer, _Token)).token
                self._token_until = now + _TOKEN_FOR
                self._fetcher.hide(self._token)
            return self._token


def _basic(user: str, password: str) -> str:
    return b64encode(f"{user}:{password}".encode()).decode()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _is_about_the_plan(answer: Answer) -> bool:
    """Return whether a refusal is one of what was asked, not of who asked."""
    return isinstance(answer.body, dict) and "scope" in json.dumps(answer.body).lower()


def _iso(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
