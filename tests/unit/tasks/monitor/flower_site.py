"""A real Flower on loopback with the page installed; only the view is made up."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from common.clock import GridClock
from tasks.monitor.feed import Feed
from tasks.monitor.page.document import Snapshot
from tasks.monitor.page.history import RoundRow, bands, curve
from tasks.monitor.page.zones import zone_rows

START = 1_750_000_800  # a full hour
CLOCK = GridClock(
    grid_start=datetime(2026, 7, 8, 12, tzinfo=UTC), wall_start=datetime(2026, 7, 8, 12, tzinfo=UTC)
)
ZONES = {"FR": 55, "NO-NO1": 30, "CH": 75, "ES": 190, "DE": 370, "AU-NSW": 620}


def sample_snapshot() -> Snapshot:
    """Six zones over 29 hours, in which twelve rounds ran."""
    times = [START + 900.0 * i for i in range(29 * 4)]
    rounds = [
        RoundRow(
            round=n,
            started=START + 7200 * n,
            ended=START + 7200 * n + 3000,
            value=1 - 0.5 / n,
            gco2eq=2e-5,
            baseline_gco2eq=3e-5,
            cumulative_gco2eq=2e-5 * n,
            cumulative_baseline_gco2eq=3e-5 * n,
            energy_wh=1e-4,
            cohort=("fr", "no-no1"),
        )
        for n in range(1, 13)
    ]
    clients = [
        {
            "client": zone.lower(), "zone": zone, "intensity": base, "gate": "open",
            "state": "training" if zone == "FR" else "idle", "why": "", "rounds": 12,
            "energy_wh": 1e-3, "gco2eq": base * 1e-6,
        }
        for zone, base in ZONES.items()
    ]  # fmt: skip
    zones = [
        {
            "zone": zone, "clients": [zone.lower()], "signal": None, "source": "made up",
            "quality": "measured", "family": None, "times": times,
            "values": [base * (1 + 0.3 * math.sin(at / 13_750)) for at in times],
        }
        for zone, base in ZONES.items()
    ]  # fmt: skip
    core = {
        "verdict": "Training at fr.",
        "why": "Round 12 of 12.",
        "runs": [{"id": "digits-1", "workload": "digits", "status": "running"}],
        "num_runs": 1,
        "run": {"id": "digits-1", "rounds_done": 12, "rounds_total": 12, "metric": "accuracy"},
        "threshold": 200,
        "ceiling": 1000,
        "zones": zone_rows(zones, clients),
        "curve": curve(rounds),
        "bands": bands(rounds, times[0], times[-1]),
        "open": None,
        "agenda": None,
    }
    return Snapshot(core, clients, rounds)


class MadeUp:
    """A source whose sequence, view and failure a test sets."""

    def __init__(self) -> None:
        self.seq = 1
        self.snapshot = sample_snapshot()
        self.failure: Exception | None = None
        self.computed: list[str | None] = []
        self.advised: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def latest_seq(self) -> int:
        if self.failure:
            raise self.failure
        return self.seq

    def clock(self) -> GridClock:
        return CLOCK

    def load_snapshot(self, run: str | None) -> Snapshot:
        self.computed.append(run)
        self.may_answer.wait(10)
        if self.failure:
            raise self.failure
        return replace(self.snapshot, core={**self.snapshot.core, "seq": self.seq})

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
    async def events(self, path: str = "/rounds/events", headers: str = "") -> AsyncIterator[Page]:
        async with self.stream(path, headers) as (_, reader):
            yield Page(reader)

    @asynccontextmanager
    async def stream(
        self, path: str = "/rounds/events", headers: str = ""
    ) -> AsyncIterator[tuple[bytes, asyncio.StreamReader]]:
        """Open the stream, and yield its head and what comes after it."""
        host, port = self.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 22)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n{headers}\r\n".encode())
            yield await reader.readuntil(b"\r\n\r\n"), reader
        finally:
            writer.close()
            await writer.wait_closed()


class Page:
    """What a browser sees of one event stream."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.version = ""
        self.bytes = 0
        self.document: dict[str, Any] = {}

    async def message(self, timeout_s: float = 5.0) -> dict[str, Any]:
        """Return the next message, whatever it is."""
        async with asyncio.timeout(timeout_s):
            while not (line := await self._reader.readline()).startswith(b"data: "):
                assert line, "the stream ended"
                if line.startswith(b"id: "):
                    self.version = line.removeprefix(b"id: ").strip().decode()
        self.bytes = len(line)
        message: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
        return message

    async def view(self, timeout_s: float = 5.0) -> dict[str, Any]:
        """Return the document as the next message leaves it, or what is wrong."""
        message = await self.message(timeout_s)
        if "problem" in message:
            return {"problem": message["problem"]}
        if "document" in message:
            self.document = message["document"]
        elif "patch" in message:
            self.document = applied(self.document, message["patch"])
        return self.document


def applied(old: Any, patch: Any) -> Any:
    """Apply a patch as ``static/patch.js`` does."""
    if not isinstance(patch, dict):
        return patch
    if "$keep" in patch:
        first, count = patch["$keep"]
        kept = old[first : first + count]
        return [*patch.get("$before", []), *kept, *patch.get("$after", [])]
    made = dict(old) if isinstance(old, dict) else {}
    for name in patch.get("$gone", []):
        made.pop(name, None)
    changes = {name: change for name, change in patch.items() if name != "$gone"}
    return made | {name: applied(made.get(name), change) for name, change in changes.items()}


Visit = Callable[[Site], Awaitable[None]]
Serve = Callable[..., None]
