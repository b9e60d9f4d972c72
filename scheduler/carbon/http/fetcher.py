"""Fetches JSON from one provider: politely, within limits, and without telling anybody its key."""

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
from scheduler.carbon.http.connection import RequestLimits, open_client
from scheduler.carbon.http.limits import ProviderLimits
from scheduler.carbon.http.response import ProviderResponse
from scheduler.carbon.http.retry_after import pause_asked

_LEARNT = 4
"""Tokens that are kept secret at a time: the one in use, and those before it."""

Form = TypeVar("Form", bound=BaseModel)
"""The documented form of a body."""

_QUOTED = 200
"""Characters of a provider's answer that an error quotes at most."""


class _OutageError(Exception):
    """The provider did not answer, or not sensibly; `again` if another try may help."""

    def __init__(self, text: str, *, again: bool = False) -> None:
        super().__init__(text)
        self.again = again


class Fetcher:
    """Asks one provider with one account.

    The connection is opened when first used, and again after `close`, so that an instance may
    outlive an event loop.

    Args:
        access: How to reach it.
        provider_limits: Admits every request, and learns its outcome.
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
        """Let a secret that was learnt later, such as a token, appear in no text either."""
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
        question: str,
        headers: Mapping[str, str] | None = None,
    ) -> ProviderResponse:
        """Return the answer to one question.

        Args:
            path: Below the base URL, with a slash at its begin.
            params: The query; never a secret.
            zone: Zone it is about, for negative memory and errors.
            question: What is asked, for negative memory and errors.
            headers: Sent beside the fetcher's own.

        Raises:
            SignalUnavailable: If it must not be asked now, or did not answer.
            SignalNotOffered: If it was said not long ago that the plan does not include this.
        """
        async with self._places:
            why = await self.provider_limits.not_offered(self.account, zone, question)
            if why is not None:
                raise SignalNotOffered(why)
            try:
                async with asyncio.timeout(self._request_limits.deadline_s):
                    answer = await self._persist(path, params or {}, headers or {}, zone, question)
            except TimeoutError:
                await self._fail(
                    f"no whole answer within {self._request_limits.deadline_s:g} s", zone
                )
        if not answer.is_refusal:
            await self.provider_limits.succeeded(self.account)
        return answer

    async def expect(self, answer: ProviderResponse, form: type[Form]) -> Form:
        """Return an answer's body in the form that is documented.

        Raises:
            SignalUnavailable: If it is an error, or of another form.
        """
        if answer.is_error:
            await self.unavailable(answer)
        try:
            return form.model_validate(answer.body)
        except (ValidationError, OverflowError):
            await self.unavailable(answer, "not of the form that is documented")

    async def unavailable(self, answer: ProviderResponse, fault: str = "") -> NoReturn:
        """Say that an answer holds nothing to go by; the provider is asked again as usual."""
        raise SignalUnavailable(self._told(answer.zone, self._fault(answer, fault)))

    async def shut(self, answer: ProviderResponse, fault: str = "") -> NoReturn:
        """Say that the key was refused: nothing is asked for long."""
        why = self._fault(answer, fault)
        await self.provider_limits.refused(self.account, why)
        raise SignalUnavailable(self._told(answer.zone, why))

    async def not_offered(self, answer: ProviderResponse, fault: str = "") -> NoReturn:
        """Say that the plan does not include this question about this zone, and remember it."""
        await self.provider_limits.succeeded(self.account)
        why = (
            f"{self.name} does not offer {answer.question!r} for {answer.zone} to this key "
            f"({self._fault(answer, fault)}), so it is not asked for that again soon. "
            f"The next source is; see docs/carbon-providers.md for what each plan includes."
        )
        await self.provider_limits.remember_not_offered(
            self.account, answer.zone, answer.question, why
        )
        raise SignalNotOffered(why)

    async def _persist(
        self,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        zone: str,
        question: str,
    ) -> ProviderResponse:
        """Try, and try again where that may help."""
        for tries_left in reversed(range(self._request_limits.retries + 1)):
            await self.provider_limits.admit(self.account)
            try:
                status, content = await self._request(path, params, headers, zone)
                return self._answer(status, content, zone, question)
            except _OutageError as outage:
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
            async with self._open().stream("GET", url, params=params, headers=headers) as response:
                await self._heed(response, zone)
                return response.status_code, await self._read(response)
        except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
            msg = f"{type(error).__name__} {error}".strip()
            raise _OutageError(msg, again=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            msg = f"{type(error).__name__} {error}".strip()
            raise _OutageError(msg) from None

    async def _heed(self, response: httpx.Response, zone: str) -> None:
        """Obey "later", and refuse what is no answer."""
        status, headers = response.status_code, response.headers
        pause = pause_asked(headers.get("retry-after"), headers.get("date"), self.now())
        if status == HTTPStatus.TOO_MANY_REQUESTS or (
            status == HTTPStatus.SERVICE_UNAVAILABLE and pause
        ):
            fault = f"HTTP {status}, too many requests or too busy"
            await self.provider_limits.slow_down(self.account, fault, pause)
            raise SignalUnavailable(self._told(zone, fault))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            msg = f"HTTP {status}"
            raise _OutageError(msg, again=True)
        if response.is_redirect:
            # Elsewhere may be another server, which must not be sent the key.
            target = httpx.URL(headers.get("location", "")).host or "itself"
            msg = f"HTTP {status}, a redirection to {target}, which is not followed"
            raise _OutageError(msg)

    async def _read(self, response: httpx.Response) -> bytes:
        content = bytearray()
        # Raw: what is compressed could unpack to any size, and we asked for plain bytes.
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > self._request_limits.most_bytes:
                msg = f"an answer of more than {self._request_limits.most_bytes / 1e6:g} MB"
                raise _OutageError(msg)
        return bytes(content)

    def _answer(self, status: int, content: bytes, zone: str, question: str) -> ProviderResponse:
        body = None
        readable = status >= HTTPStatus.BAD_REQUEST
        # Nested too deeply is a RecursionError; anything else that is no JSON a ValueError.
        with suppress(ValueError, RecursionError):
            body, readable = json.loads(content), True
        said = self.redact(content.decode(errors="replace"))
        if not readable:
            msg = f"HTTP {status} with something that is not JSON: {said[:60]!r}"
            raise _OutageError(msg)
        return ProviderResponse(status, body, said, zone, question)

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = open_client(self._headers, self._request_limits, self._transport)
        return self._client

    async def _fail(self, fault: str, zone: str) -> NoReturn:
        fault = self.redact(fault)
        await self.provider_limits.failed(self.account, fault)
        raise SignalUnavailable(self._told(zone, fault)) from None

    def _fault(self, answer: ProviderResponse, fault: str) -> str:
        said = f"HTTP {answer.status}: {answer.said or 'nothing'}"
        return f"{self.redact(fault)} ({said})" if fault else said

    def _told(self, zone: str, fault: str) -> str:
        return (
            f"{self.name} tells no carbon intensity of {zone} now: {fault}. The next source in the "
            f"chain is asked; {self.name} is asked again by itself."
        )
