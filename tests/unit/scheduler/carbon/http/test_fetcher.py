"""The fetcher keeps secrets, keeps to its limits, and tries again only where that may help."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from common.errors import SignalNotOffered, SignalUnavailable
from scheduler.carbon.http.access import Access
from scheduler.carbon.http.connection import RequestLimits
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.limits import AccountStatus, ProviderAccount
from scheduler.carbon.http.response import ProviderResponse
from scheduler.carbon.http.retry_after import pause_asked
from tests.fakes.limits import MemoryLimits
from tests.unit.scheduler.carbon.http.limits_laws import Clock

KEY = "a-very-secret-key"
ACCOUNT = ProviderAccount.of("fake", KEY, 100)
ACCESS = Access(ACCOUNT, "https://fake.example/v1/", headers={"auth-token": KEY}, secrets=(KEY,))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Handler = Callable[[httpx.Request], httpx.Response]


def reply(status: int, content: bytes = b"{}", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=httpx.ByteStream(content))


class Asked:
    """One question to a handler, and what it left behind."""

    def __init__(self, handler: Handler, *, limits: RequestLimits | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.clock = Clock()
        self.provider_limits = MemoryLimits(self.clock, jitter=lambda: 0.5)

        def counted(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            return handler(request)

        self.fetcher = Fetcher(
            ACCESS,
            provider_limits=self.provider_limits,
            now=self.clock,
            request_limits=limits,
            transport=httpx.MockTransport(counted),
            sleep=self._sleep,
            jitter=lambda: 0.5,
        )

    def get(self) -> ProviderResponse:
        async def ask() -> ProviderResponse:
            try:
                return await self.fetcher.get("/now", {"zone": "DE"}, zone="DE", endpoint="now")
            finally:
                await self.fetcher.close()

        return asyncio.run(ask())

    def fails(self) -> str:
        with pytest.raises(SignalUnavailable) as caught:
            self.get()
        return str(caught.value)

    def status(self) -> AccountStatus:
        return asyncio.run(self.provider_limits.status(ACCOUNT))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_an_answer_is_its_status_and_its_json() -> None:
    asked = Asked(lambda _: reply(200, b'{"zone": "DE"}'))
    assert asked.get() == ProviderResponse(200, {"zone": "DE"}, '{"zone": "DE"}', "DE", "now")
    assert str(asked.requests[0].url) == "https://fake.example/v1/now?zone=DE"
    assert asked.requests[0].headers["auth-token"] == KEY
    assert asked.status().last_success_at == NOON


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_broken_server_is_tried_three_times_with_jitter(status: int) -> None:
    asked = Asked(lambda _: reply(status))
    assert f"HTTP {status}" in asked.fails()
    assert len(asked.requests) == 3
    assert asked.slept == [0.5, 0.5]


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")],
)
def test_a_lost_connection_is_tried_three_times(error: Exception) -> None:
    def lose(_: httpx.Request) -> httpx.Response:
        raise error

    asked = Asked(lose)
    assert type(error).__name__ in asked.fails()
    assert len(asked.requests) == 3


def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    read = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):
            nonlocal read
            while True:
                read += 1000
                yield b"x" * 1000

    asked = Asked(
        lambda _: httpx.Response(200, stream=Endless()), limits=RequestLimits(most_bytes=5000)
    )
    assert "more than 0.005 MB" in asked.fails()
    assert read == 6000
    assert len(asked.requests) == 1


def test_an_answer_that_is_packed_is_not_unpacked() -> None:
    asked = Asked(lambda _: reply(200, b"\x1f\x8b" + b"x" * 50, content_encoding="gzip"))
    assert "not JSON" in asked.fails()
    assert asked.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("location", ["https://evil.example/", "/v2/now", "", "http://["])
def test_no_redirection_is_followed(location: str) -> None:
    asked = Asked(lambda _: reply(302, location=location))
    asked.fails()
    assert len(asked.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_a_refusal_means_is_left_to_the_provider(status: int) -> None:
    asked = Asked(lambda _: reply(status, b"Access denied"))
    answer = asked.get()
    assert (answer.status, answer.body, answer.text) == (status, None, "Access denied")
    assert answer.is_error
    assert answer.is_refusal == (status in {401, 403})


def test_a_date_to_come_back_at_counts_from_the_servers_own_clock() -> None:
    # The server's clock is an hour ahead; it asks for five minutes.
    date, later = "Sun, 01 Mar 2026 13:00:00 GMT", "Sun, 01 Mar 2026 13:05:00 GMT"
    asked = Asked(lambda _: reply(429, date=date, retry_after=later))
    asked.fails()
    assert asked.status().paused_until == NOON + timedelta(minutes=5)


@pytest.mark.parametrize("nonsense", ["", "-1", "0", "1.5", "soon", "9" * 40, "Sun, 01 Mar 2020"])
def test_nonsense_instead_of_a_pause_is_ignored(nonsense: str) -> None:
    assert pause_asked(nonsense, None, NOON) is None


def test_a_secret_is_in_no_text_even_where_the_server_repeats_it() -> None:
    asked = Asked(lambda _: reply(401, f'{{"error": "no such key {KEY}"}}'.encode()))
    answer = asked.get()
    assert answer.text == '{"error": "no such key ***"}'

    async def refuse() -> None:
        await asked.fetcher.shut(answer)

    with pytest.raises(SignalUnavailable) as caught:
        asyncio.run(refuse())
    texts = [str(caught.value), str(asked.status()), repr(ACCESS), repr(answer)]
    assert not any(KEY in text for text in [*texts, repr(asked.fetcher)])


def test_a_secret_is_hidden_before_a_text_is_cut() -> None:
    # Cut first, the begin of the key would be left at the end of the text.
    asked = Asked(lambda _: reply(400, b"x" * 190 + KEY.encode() * 20))
    assert asked.get().text == "x" * 190 + "***" * 3 + "*"


def test_a_secret_learnt_later_is_hidden_too() -> None:
    asked = Asked(lambda _: reply(400, b"token abc123 expired"))
    asked.fetcher.hide("abc123")
    assert asked.get().text == "token *** expired"


def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Asked(lambda _: reply(500)).fails()
    assert "fake.example" in caplog.text
    assert KEY not in caplog.text


def test_what_is_not_offered_is_not_asked_again() -> None:
    asked = Asked(lambda _: reply(403, b"Access denied"))
    answer = asked.get()

    async def remember() -> None:
        await asked.fetcher.not_offered(answer)

    with pytest.raises(SignalNotOffered, match="does not offer 'now' for DE"):
        asyncio.run(remember())
    with pytest.raises(SignalNotOffered):
        asked.get()
    assert len(asked.requests) == 1


def test_questions_wait_for_a_place_and_see_what_happened_meanwhile() -> None:
    # Of 30 questions two are under way at a time; the first refusals stop all that wait.
    asked = Asked(lambda _: reply(429), limits=RequestLimits(at_once=2))

    async def ask() -> list[object]:
        questions = (asked.fetcher.get("/now", zone=f"Z{n}", endpoint="now") for n in range(30))
        return await asyncio.gather(*questions, return_exceptions=True)

    errors = asyncio.run(ask())
    assert all(isinstance(error, SignalUnavailable) for error in errors)
    assert len(asked.requests) <= 2
