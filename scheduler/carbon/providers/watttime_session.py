"""A session at WattTime: the login, its token of 30 minutes, and which region a place is in."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

from pydantic import Field

from common.errors import SignalNotOffered
from common.settings import Settings
from scheduler.carbon.http.access import Access, address, required
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.limits import ProviderAccount
from scheduler.carbon.http.response import ProviderResponse
from scheduler.carbon.providers.series import Body

NAME = "watttime"

SIGNAL = "co2_moer"
"""The only one of its signals that is a carbon intensity of every region."""

_TOKEN_FOR = timedelta(minutes=28)  # it is good for 30
_REGION_FOR = timedelta(days=28)  # regions are redrawn now and then
_SENSELESS = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


def access(settings: Settings) -> Access:
    """Return how WattTime is reached.

    Raises:
        SettingError: If the user or the password is missing.
    """
    user, password = _credentials(settings)
    return Access(
        ProviderAccount.of(NAME, user, settings.watttime_per_hour),
        address(settings.watttime_url, "FAIRWIND_WATTTIME_URL"),
        secrets=(password, _basic(user, password)),
    )


class _Token(Body):
    token: str = Field(min_length=1)


class _WattTimeRegion(Body):
    region: str = Field(min_length=1)


class Session:
    """Sends requests with a token, for a region.

    Args:
        fetcher: Sends the requests.
        settings: Login, and which region each zone is, by its name or its place.
    """

    def __init__(self, fetcher: Fetcher, settings: Settings) -> None:
        self._fetcher = fetcher
        self._login = {"Authorization": f"Basic {_basic(*_credentials(settings))}"}
        self._named = settings.watttime_regions
        self._coordinates = settings.zone_coordinates
        self._located: dict[str, tuple[datetime, str]] = {}
        self._token = ""
        self._token_until: datetime | None = None

    @property
    def zones(self) -> tuple[str, ...]:
        """The ids of the zones with a region or a place, sorted."""
        return tuple(sorted({*self._named, *self._coordinates}))

    async def region(self, zone: str) -> str:
        """Return the region of a zone: the one that is named, or the one at its place."""
        if zone in self._named:
            return self._named[zone]
        if zone not in self._coordinates:
            msg = (
                f"{NAME} knows regions, and no region is set for {zone}, so Fairwind sends it no "
                "request. Name it in FAIRWIND_WATTTIME_REGIONS, or its place in "
                "FAIRWIND_ZONE_COORDINATES."
            )
            raise SignalNotOffered(msg)
        until, region = self._located.get(zone, (self._fetcher.now(), ""))
        if self._fetcher.now() < until:
            return region
        latitude, longitude = self._coordinates[zone]
        query = {"latitude": str(latitude), "longitude": str(longitude), "signal_type": SIGNAL}
        response = await self.get("/v3/region-from-loc", query, zone, "region")
        if response.status == HTTPStatus.NOT_FOUND:
            await self._fetcher.not_offered(response)
        region = (await self._fetcher.expect(response, _WattTimeRegion)).region
        self._located[zone] = self._fetcher.now() + _REGION_FOR, region
        return region

    async def get(
        self, path: str, query: Mapping[str, str], zone: str, endpoint: str
    ) -> ProviderResponse:
        """Return a response, logging in where that is due, and once more where it is refused."""
        token = await self._log_in(zone, instead_of=None)
        response = await self._fetcher.get(
            path, query, zone=zone, endpoint=endpoint, headers=_bearer(token)
        )
        if response.is_refusal and not _is_about_the_plan(response):
            token = await self._log_in(zone, instead_of=token)
            response = await self._fetcher.get(
                path, query, zone=zone, endpoint=endpoint, headers=_bearer(token)
            )
        if response.is_refusal and not _is_about_the_plan(response):
            await self._fetcher.shut(response, "refused although just logged in")
        if response.is_refusal or response.status in _SENSELESS:
            await self._fetcher.not_offered(response)
        return response

    async def _log_in(self, zone: str, *, instead_of: str | None) -> str:
        """Return a token that is good, as far as is known; never the one that was refused."""
        async with self._fetcher.lock:
            now = self._fetcher.now()
            good = self._token_until is not None and now < self._token_until
            if not good or self._token == instead_of:
                response = await self._fetcher.get(
                    "/login", zone=zone, endpoint="login", headers=self._login
                )
                if response.is_refusal:
                    await self._fetcher.shut(response, "the login was refused")
                self._token = (await self._fetcher.expect(response, _Token)).token
                self._token_until = now + _TOKEN_FOR
                self._fetcher.hide(self._token)
            return self._token


def _credentials(settings: Settings) -> tuple[str, str]:
    return (
        required(settings.watttime_user, NAME, "FAIRWIND_WATTTIME_USER"),
        required(settings.watttime_password, NAME, "FAIRWIND_WATTTIME_PASSWORD"),
    )


def _basic(user: str, password: str) -> str:
    return b64encode(f"{user}:{password}".encode()).decode()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _is_about_the_plan(response: ProviderResponse) -> bool:
    """Return whether a refusal is about the plan, not about the login."""
    return isinstance(response.body, dict) and "scope" in json.dumps(response.body).lower()
