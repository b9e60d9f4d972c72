"""What a key of Electricity Maps may ask: `/zones` tells, and so do refusals."""

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
"""Where each question is asked, as the list of what a key may do names it."""

_FREE = {"now", "recent"}
"""What every plan includes: a 401 here says nothing of the plan."""

_PLAN_FOR = timedelta(days=1)

_RETRY_401_S = 1.5
"""A 401 may mean "too many requests" here, so it is tried once more."""


class CamelBody(Body):
    """A body whose names are written like ``carbonIntensity``."""

    model_config = ConfigDict(alias_generator=to_camel)


class _Zone(CamelBody):
    access: list[str] | None = None

    def lists(self, question: str) -> bool:
        """Return whether the key is said to get an answer to a question."""
        allowed = self.access or ()
        return any(one == "*" or one.strip("/").endswith(_PATHS[question]) for one in allowed)


class _Zones(RootModel[dict[str, _Zone]]):
    pass


class KeyPlan:
    """Asks what the plan of a key includes, and does not ask again for what it does not.

    Args:
        fetcher: Asks for us.
        settings: Which zones are asked for by their place.
    """

    def __init__(self, fetcher: Fetcher, settings: Settings) -> None:
        self._fetcher = fetcher
        self._coordinates = settings.zone_coordinates
        self._zones: Mapping[str, _Zone] = {}
        self._until: datetime | None = None

    async def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones that the key may ask about, sorted.

        Raises:
            SignalUnavailable: If it is not known now.
        """
        zones = await self._load()
        if not zones:
            msg = (
                f"{self._fetcher.name} does not tell now which zones there are, so none can be "
                f"listed. It is asked again within the hour."
            )
            raise SignalUnavailable(msg)
        offered = {zone for zone, its in zones.items() if its.access is None or its.lists("now")}
        return tuple(sorted(offered | set(self._coordinates)))

    async def ask(self, question: str, zone: str, params: Mapping[str, str]) -> ProviderResponse:
        """Return the answer to a question.

        Args:
            question: ``now``, ``recent`` (24 hours), ``range`` (of the past) or ``future``.
            zone: What about.
            params: The query beside the place.

        Raises:
            SignalUnavailable: If there is none now.
            SignalNotOffered: If the plan does not include it.
        """
        path = f"/{_PATHS[question]}"
        query = {**self._place(zone), "disableCallerLookup": "true", **params}
        listed = await self._is_listed(question, zone)
        if listed or question in _FREE:
            answer = await self._insist(path, query, zone, question)
        else:
            answer = await self._fetcher.get(path, query, zone=zone, question=question)
        if listed and answer.is_refusal:
            await self._fetcher.shut(answer, "refused although the plan includes it")
        if answer.is_refusal or answer.status == HTTPStatus.BAD_REQUEST:
            await self._fetcher.not_offered(answer)
        return answer

    async def _insist(
        self, path: str, query: Mapping[str, str], zone: str, question: str
    ) -> ProviderResponse:
        """Return an answer; a 401 is tried once more, then nothing is asked for long."""
        answer = await self._fetcher.get(path, query, zone=zone, question=question)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            await self._fetcher.sleep(_RETRY_401_S)
            answer = await self._fetcher.get(path, query, zone=zone, question=question)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            await self._fetcher.shut(answer, "the key is wrong, or asked too often")
        return answer

    async def _is_listed(self, question: str, zone: str) -> bool:
        """Return whether the key is said to include a question; `False` if nothing is said.

        Raises:
            SignalNotOffered: If it is said not to.
        """
        with suppress(SignalUnavailable):
            await self._load()
        if not self._zones or zone in self._coordinates:
            return False
        its = self._zones.get(zone)
        if its is not None and (its.access is None or its.lists(question)):
            return its.access is not None
        what = "has no such zone" if its is None else f"does not offer {question!r} to this key"
        msg = (
            f"{self._fetcher.name} {what} ({zone}), so it is not asked for it. The next source is; "
            f"`fairwind zones` lists the zones, docs/carbon-providers.md what plans include."
        )
        raise SignalNotOffered(msg)

    async def _load(self) -> Mapping[str, _Zone]:
        """Return what the key may ask about each zone, asking for it once a day."""
        async with self._fetcher.lock:
            now = self._fetcher.now()
            if self._until is None or now >= self._until:
                self._until = now + HOUR  # unless there is an answer
                answer = await self._insist("/zones", {}, "all zones", "zones")
                if isinstance(answer.body, dict) and isinstance(answer.body.get("zones"), dict):
                    answer = replace(answer, body=answer.body["zones"])
                self._zones = (await self._fetcher.expect(answer, _Zones)).root
                self._until = now + _PLAN_FOR
            return self._zones

    def _place(self, zone: str) -> dict[str, str]:
        if zone in self._coordinates:
            latitude, longitude = self._coordinates[zone]
            return {"lat": str(latitude), "lon": str(longitude)}
        return {"zone": zone}
