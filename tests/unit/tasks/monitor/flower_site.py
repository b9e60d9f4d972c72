"""A real Flower on loopback with the page installed; only the view is made up."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from tasks.monitor.feed import Feed

START = 1_750_000_800  # a full hour
ZONES = {"FR": 55, "NO-NO1": 30, "CH": 75, "ES": 190, "DE": 370, "AU-NSW": 620}


def sample_view() -> dict[str, Any]:
    """Six zones over 29 hours, in which twelve rounds ran."""
    times = [START + 900 * i for i in range(29 * 4)]
    rounds = [
        {
            "round": n,
            "started": START + 7200 * n,
            "ended": START + 7200 * n + 3000,
            "value": 1 - 0.5 / n,
            "gco2eq": 2e-5,
            "baseline_gco2eq": 3e-5,
            "cumulative_gco2eq": 2e-5 * n,
            "cumulative_baseline_gco2eq": 3e-5 * n,
            "energy_wh": 1e-4,
            "cohort": ["fr", "no-no1"],
        }
        for n in range(1, 13)
    ]
    return {
        "now": times[-1],
        "clock_speed": 5400,
        "verdict": "Training at fr.",
        "why": "Round 12 of 12.",
        "runs": [{"id": "digits-1", "workload": "digits", "status": "running"}],
        "run": {"id": "digits-1", "rounds_done": 12, "rounds_total": 12, "metric": "accuracy"},
        "threshold": 200,
        "ceiling": 1000,
        "zones": [
            {
                "zone": zone,
                "clients": [zone.lower()],
                "times": times,
                "values": [base * (1 + 0.3 * math.sin(at / 13_750)) for at in times],
            }
            for zone, base in ZONES.items()
        ],
        "rounds": rounds,
        "clients": [{"client": zone.lower(), "zone": zone, "gate": "open"} for zone in ZONES],
    }


class MadeUp:
    """A source whose sequence, view and failure a test sets."""

    def __init__(self) -> None:
        self.seq = 1
        self.view = sample_view()
        self.failure: Exception | None = None
        self.computed: list[str | None] = []
        self.advised: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def latest_seq(self) -> int:
        if self.failure:
            raise self.failure
        return self.seq

    def load_view(self, run: str | None) -> dict[str, Any]:
        self.computed.append(run)
        self.may_answer.wait(10)
        if self.failure:
            raise self.failure
        return {**self.view, "seq": self.seq}

    def load_advice(self, client: str) -> dict[str, Any]:
        self.advised.append(threading.current_thread().name)
        if self.failure:
            raise self.failure
        return {"client": client, "lines": [], "missing": ["<b>nothing</b> is known"]}

    def load_runs(self) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        return {"runs": [{"id": "digits-1"}]}

    def load_comparison(self, first: str, second: str) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        return {"first": {"run": first}, "second": {"run": second}}


class Site:
    """A running Flower and a client for it."""

    def __init__(self, port: int, source: MadeUp, feed: Feed) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.source = source
        self.feed = feed

    async def get(self, path: str, **extra: Any) -> HTTPResponse:
        request = HTTPRequest(self.base + path, follow_redirects=False, **extra)
        return await AsyncHTTPClient().fetch(request, raise_error=False)

    @asynccontextmanager
    async def events(self, path: str = "/rounds/events") -> AsyncIterator[Page]:
        host, port = self.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            yield Page(reader)
        finally:
            writer.close()
            await writer.wait_closed()


class Page:
    """What a browser sees of one event stream."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def view(self, timeout_s: float = 5.0) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            while not (line := await self._reader.readline()).startswith(b"data: "):
                assert line, "the stream ended"
        seen: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
        return seen


Visit = Callable[[Site], Awaitable[None]]
Serve = Callable[..., None]
