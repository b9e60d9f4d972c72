"""The plan of an Electricity Maps key, known from `/zones` and from refusals."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

from pydantic import ConfigDict, RootModel
from pydantic.alias_generators import to_camel

from common.errors import SignalNotOffered, SignalUnavailable
from common.settings import Settings
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.response import ProviderResponse
from scheduler.carbon.providers.series import Body
from scheduler.carbon.signal import HOUR

_PATHS = {
    "now": "carbon-intensity/latest",
    "recent": "carbon-intensity/history",
    "range": "carbon-intensity/past-range",
    "future": "carbon-intensity/forecast",
}
"""The path of each endpoint, as the list of a key's access names it."""

_FREE = {"now", "recent"}
"""Endpoints of every plan: a 401 here is not about the plan."""

_PLAN_FOR = timedelta(days=1)

_RETRY_401_S = 1.5
"""A 401 may mean "too many requests" here, so it is tried once more."""


class CamelBody(Body):
    """A body whose names are written like ``carbonIntensity``."""

    model_config = ConfigDict(alias_generator=to_camel)


class _Zone(CamelBody):
    access: list[str] | None = None

    def lists(self, endpoint: str) -> bool:
        """Return whether the key is said to get a response to a endpoint."""
        allowed = self.access or ()
        return any(one == "*" or one.strip("/").endswith(_PATHS[endpoint]) for one in allowed)


class _Zones(RootModel[dict[str, _Zone]]):
    pass


class KeyPlan:
    """Learns the plan of a key, and sends no requests that it excludes.

    Args:
        fetcher: Sends the requests.
        settings: Which zones are requested by coordinates.
    """

    def __init__(self, fetcher: Fetcher, settings: Settings) -> None:
        self._fetcher = fetcher
        self._coordinates = settings.zone_coordinates
        self._zones: Mapping[str, _Zone] = {}
        self._until: datetime | None = None

    async def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones in the key's plan, sorted.

        Raises:
            SignalUnavailable: If it is not known now.
        """
        zones = await self._load()
        if not zones:
            msg = (
                f"{self._fetcher.name} does not list its zones now, so none can be "
                f"shown. Fairwind tries again within the hour."
            )
            raise SignalUnavailable(msg)
        offered = {zone for zone, its in zones.items() if its.access is None or its.lists("now")}
        return tuple(sorted(offered | set(self._coordinates)))

    async def request(
        self, endpoint: str, zone: str, params: Mapping[str, str]
    ) -> ProviderResponse:
        """Return the response to a endpoint.

        Args:
            endpoint: ``now``, ``recent`` (24 hours), ``range`` (of the past) or ``future``.
            zone: What about.
            params: The query beside the place.

        Raises:
            SignalUnavailable: If there is none now.
            SignalNotOffered: If the plan does not include it.
        """
        path = f"/{_PATHS[endpoint]}"
        query = {**self._place(zone), "disableCallerLookup": "true", **params}
        listed = await self._is_listed(endpoint, zone)
        if listed or endpoint in _FREE:
            response = await self._insist(path, query, zone, endpoint)
        else:
            response = await self._fetcher.get(path, query, zone=zone, endpoint=endpoint)
        if listed and response.is_refusal:
            await self._fetcher.shut(response, "refused although the plan includes it")
        if response.is_refusal or response.status == HTTPStatus.BAD_REQUEST:
            await self._fetcher.not_offered(response)
        return response

    async def _insist(
        self, path: str, query: Mapping[str, str], zone: str, endpoint: str
    ) -> ProviderResponse:
        """Return a response; a 401 is retried once, then the circuit breaker opens."""
        response = await self._fetcher.get(path, query, zone=zone, endpoint=endpoint)
        if response.status == HTTPStatus.UNAUTHORIZED:
            await self._fetcher.sleep(_RETRY_401_S)
            response = await self._fetcher.get(path, query, zone=zone, endpoint=endpoint)
        if response.status == HTTPStatus.UNAUTHORIZED:
            await self._fetcher.shut(response, "the key is wrong, or used too often")
        return response

    async def _is_listed(self, endpoint: str, zone: str) -> bool:
        """Return whether the key is said to include a endpoint; `False` if nothing is said.

        Raises:
            SignalNotOffered: If it is said not to.
        """
        with suppress(SignalUnavailable):
            await self._load()
        if not self._zones or zone in self._coordinates:
            return False
        its = self._zones.get(zone)
        if its is not None and (its.access is None or its.lists(endpoint)):
            return its.access is not None
        what = "has no such zone" if its is None else f"does not offer {endpoint!r} to this key"
        msg = (
            f"{self._fetcher.name} {what} ({zone}), so Fairwind does not request it. The "
            "next source stands in; `fairwind zones` lists the zones, docs/carbon-providers.md "
            "what plans include."
        )
        raise SignalNotOffered(msg)

    async def _load(self) -> Mapping[str, _Zone]:
        """Return the access of the key to each zone, refreshed once a day."""
        async with self._fetcher.lock:
            now = self._fetcher.now()
            if self._until is None or now >= self._until:
                self._until = now + HOUR  # unless there is a response
                response = await self._insist("/zones", {}, "all zones", "zones")
                if isinstance(response.body, dict) and isinstance(response.body.get("zones"), dict):
                    response = replace(response, body=response.body["zones"])
                self._zones = (await self._fetcher.expect(response, _Zones)).root
                self._until = now + _PLAN_FOR
            return self._zones

    def _place(self, zone: str) -> dict[str, str]:
        if zone in self._coordinates:
            latitude, longitude = self._coordinates[zone]
            return {"lat": str(latitude), "lon": str(longitude)}
        return {"zone": zone}
