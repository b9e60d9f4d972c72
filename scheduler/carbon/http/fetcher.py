"""Fetches JSON from one provider: within its limits, and without revealing its key."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import NoReturn, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from common.errors import SignalNotOffered, SignalUnavailable
from scheduler.carbon.http.access import Access
from scheduler.carbon.http.connection import ConnectionFault, RequestLimits, open_client
from scheduler.carbon.http.faults import RAISED, Outage, Unsent, fault_of, redirected_to
from scheduler.carbon.http.limits import ProviderLimits
from scheduler.carbon.http.response import ProviderResponse
from scheduler.carbon.http.retry_after import pause_asked

_LEARNT = 4
"""Tokens that are kept secret at a time: the one in use, and those before it."""

Form = TypeVar("Form", bound=BaseModel)
"""The documented form of a body."""

_QUOTED = 200
"""Characters of a response that an error quotes at most."""


class Fetcher:
    """Sends requests to one provider with one account.

    The connection is opened when first used, and again after `close`, so that an instance may
    outlive an event loop.

    Args:
        access: How to reach it.
        provider_limits: Admits every request, and records its outcome.
        now: The grid clock.
        request_limits: How much one request may take.
        transport: Carries the requests instead of the network.
        sleep: Waits for so many seconds.
        jitter: Returns a number from 0 to 1.
    """

    def __init__(
        self,
        access: Access,
        *,
        provider_limits: ProviderLimits,
        now: Callable[[], datetime],
        request_limits: RequestLimits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.account = access.account
        self.provider_limits = provider_limits
        self.now = now
        self.sleep = sleep
        self._base_url = access.base_url.rstrip("/")
        self._headers = access.headers
        self._secrets = access.secrets
        self._learnt: deque[str] = deque(maxlen=_LEARNT)
        self._request_limits = request_limits or RequestLimits()
        self._transport = transport
        self._jitter = jitter
        self._client: httpx.AsyncClient | None = None
        self._places = asyncio.Semaphore(self._request_limits.at_once)
        self.lock = asyncio.Lock()

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.account.provider

    def hide(self, secret: str) -> None:
        """Redact a later secret too, such as a token."""
        self._learnt.append(secret)

    def redact(self, text: str) -> str:
        """Return text as it may be shown: on one line, short, and without secrets."""
        for secret in (*self._secrets, *self._learnt):
            text = text.replace(secret, "***")
        return " ".join(text.split())[:_QUOTED]

    async def close(self) -> None:
        """Close the connection, if there is one."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        # These belong to the event loop in which they were first waited for.
        self._places = asyncio.Semaphore(self._request_limits.at_once)
        self.lock = asyncio.Lock()

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        zone: str,
        endpoint: str,
        headers: Mapping[str, str] | None = None,
    ) -> ProviderResponse:
        """Return the response of one endpoint.

        Args:
            path: Below the base URL, with a slash at its begin.
            params: The query; never a secret.
            zone: Zone of the request, for negative caching and errors.
            endpoint: Name of the endpoint, for negative caching and errors.
            headers: Sent beside the fetcher's own.

        Raises:
            SignalUnavailable: If no request may be sent now, or none succeeded.
            SignalNotOffered: If a recent response excluded this from the plan.
        """
        async with self._places:
            why = await self.provider_limits.not_offered(self.account, zone, endpoint)
            if why is not None:
                raise SignalNotOffered(why)
            try:
                async with asyncio.timeout(self._request_limits.deadline_s):
                    response = await self._persist(
                        path, params or {}, headers or {}, zone, endpoint
                    )
            except TimeoutError:
                await self._fail(
                    f"no whole response within {self._request_limits.deadline_s:g} s", zone
                )
        if not response.is_refusal:
            await self.provider_limits.succeeded(self.account)
        return response

    async def expect(self, response: ProviderResponse, form: type[Form]) -> Form:
        """Return a response's body in the form that is documented.

        Raises:
            SignalUnavailable: If it is an error, or of another form.
        """
        if response.is_error:
            await self.unavailable(response)
        try:
            return form.model_validate(response.body)
        except (ValidationError, OverflowError):
            await self.unavailable(response, "not of the form that is documented")

    async def unavailable(self, response: ProviderResponse, fault: str = "") -> NoReturn:
        """Raise because a response holds no usable figure; the next refresh tries again."""
        raise SignalUnavailable(self._unavailable_text(response.zone, self._fault(response, fault)))

    async def shut(self, response: ProviderResponse, fault: str = "") -> NoReturn:
        """Raise because the key was refused: the circuit breaker opens."""
        why = self._fault(response, fault)
        await self.provider_limits.refused(self.account, why)
        raise SignalUnavailable(self._unavailable_text(response.zone, why))

    async def not_offered(self, response: ProviderResponse, fault: str = "") -> NoReturn:
        """Raise because the plan excludes this endpoint for this zone, and cache that."""
        await self.provider_limits.succeeded(self.account)
        why = (
            f"{self.name} does not offer {response.endpoint!r} for {response.zone} to this key "
            f"({self._fault(response, fault)}), so Fairwind requests it no more for a "
            f"while. The next source stands in; see docs/carbon-providers.md for each plan."
        )
        await self.provider_limits.remember_not_offered(
            self.account, response.zone, response.endpoint, why
        )
        raise SignalNotOffered(why)

    async def _persist(
        self,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        zone: str,
        endpoint: str,
    ) -> ProviderResponse:
        """Try, and try again where that may help."""
        for tries_left in reversed(range(self._request_limits.retries + 1)):
            request = await self.provider_limits.admit(self.account)
            try:
                status, content = await self._request(path, params, headers, zone)
                return self._answer(status, content, zone, endpoint)
            except Unsent as fault:
                text = self.redact(str(fault))
                await self.provider_limits.unsent(self.account, request, text)
                if not (fault.again and tries_left):
                    raise SignalUnavailable(self._unavailable_text(zone, text)) from None
            except Outage as outage:
                if not (outage.again and tries_left):
                    await self._fail(str(outage), zone)
            await self.sleep(self._request_limits.longest_backoff_s * self._jitter())
        raise AssertionError

    async def _request(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str], zone: str
    ) -> tuple[int, bytes]:
        """Return status and body of one request that the server answered."""
        url = self._base_url + path
        try:
            client = self._open()
        except ConnectionFault as fault:
            raise Unsent(str(fault)) from None
        try:
            async with client.stream("GET", url, params=params, headers=headers) as response:
                await self._heed(response, zone)
                return response.status_code, await self._read(response)
        except RAISED as error:
            raise fault_of(error) from None

    async def _heed(self, response: httpx.Response, zone: str) -> None:
        """Honour Retry-After, and raise on server errors and redirections."""
        status, headers = response.status_code, response.headers
        pause = pause_asked(headers.get("retry-after"), headers.get("date"), self.now())
        if status == HTTPStatus.TOO_MANY_REQUESTS or (
            status == HTTPStatus.SERVICE_UNAVAILABLE and pause
        ):
            fault = f"HTTP {status}, too many requests or too busy"
            await self.provider_limits.slow_down(self.account, fault, pause)
            raise SignalUnavailable(self._unavailable_text(zone, fault))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            msg = f"HTTP {status}"
            raise Outage(msg, again=True)
        if response.is_redirect:
            # Elsewhere may be another server, which must not be sent the key.
            msg = f"HTTP {status}, a redirection to {redirected_to(headers)}, which is not followed"
            raise Outage(msg)

    async def _read(self, response: httpx.Response) -> bytes:
        content = bytearray()
        # Raw: what is compressed could unpack to any size, and we request plain bytes.
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > self._request_limits.most_bytes:
                msg = f"a response of more than {self._request_limits.most_bytes / 1e6:g} MB"
                raise Outage(msg)
        return bytes(content)

    def _answer(self, status: int, content: bytes, zone: str, endpoint: str) -> ProviderResponse:
        body = None
        readable = status >= HTTPStatus.BAD_REQUEST
        # Nested too deeply is a RecursionError; anything else that is no JSON a ValueError.
        with suppress(ValueError, RecursionError):
            body, readable = json.loads(content), True
        text = self.redact(content.decode(errors="replace"))
        if not readable:
            msg = f"HTTP {status} with something that is not JSON: {text[:60]!r}"
            raise Outage(msg)
        return ProviderResponse(status, body, text, zone, endpoint)

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = open_client(self._headers, self._request_limits, self._transport)
        return self._client

    async def _fail(self, fault: str, zone: str) -> NoReturn:
        fault = self.redact(fault)
        await self.provider_limits.failed(self.account, fault)
        raise SignalUnavailable(self._unavailable_text(zone, fault)) from None

    def _fault(self, response: ProviderResponse, fault: str) -> str:
        text = f"HTTP {response.status}: {response.text or 'nothing'}"
        return f"{self.redact(fault)} ({text})" if fault else text

    def _unavailable_text(self, zone: str, fault: str) -> str:
        return (
            f"{self.name} has no carbon intensity of {zone} now: {fault}. The next source of the "
            f"chain stands in; Fairwind retries {self.name} by itself."
        )
