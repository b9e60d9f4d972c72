"""A fake provider: a real HTTP server on loopback that misbehaves on demand.

In a test: ``with FakeNeso() as fake: fake.misbehave("429", value="120")``. As a process:
``python -m tests.fakes.neso --port 0`` prints its port, and takes orders over HTTP::

    POST /_fake/misbehave {"how": "429", "path": "/intensity", "value": "120", "times": 3}
    POST /_fake/behave
    GET  /_fake/counts

Whatever the provider, it can: answer with any status ("429", "500" ..., `value` being its
Retry-After), "403_text", "403_html", "404_as_200", "null", "garbage", "html", "slow_drip", "huge",
"redirect" (to `value`), "hang_up", and "skew" (its clock is `value` hours ahead). What else it can
is in its own `spoil`.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from common.clock import GridClock, wall_now

HTML_403 = (
    b"<html>\n<head><title>403 Forbidden</title></head>\n<body><center><h1>403 Forbidden</h1>"
    b"</center><hr /><center>nginx</center></body>\n</html>"
)
HUGE_BYTES = 50_000_000


@dataclass
class Rule:
    """How to misbehave, at paths that contain `path`, and how many more times."""

    how: str
    path: str = ""
    value: str = ""
    times: int | None = None


@dataclass
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    now: datetime


@dataclass
class Reply:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Fake:
    """Base of the fakes.

    Args:
        clock: What it believes the time is; may be replaced at any moment.
        latency_s: How long it takes over every answer, wall seconds.
        port: Where it listens; 0 for any free port.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = wall_now,
        latency_s: float = 0.0,
        port: int = 0,
    ) -> None:
        self.clock = clock
        self.latency_s = latency_s
        self.counts: Counter[str] = Counter()
        self.seen: list[Request] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), self)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def misbehave(
        self, how: str, *, path: str = "", value: object = "", times: int | None = None
    ) -> None:
        """Misbehave from now on; without `times` until `behave`."""
        with self._lock:
            self._rules.append(Rule(how, path, str(value), times))

    def behave(self) -> None:
        with self._lock:
            self._rules.clear()

    def most_in_an_hour(self) -> int:
        """Return the most requests that came in any hour of the clock."""
        times = sorted(request.now for request in self.seen)
        first = most = 0
        for last, at in enumerate(times):
            while at - times[first] >= timedelta(hours=1):
                first += 1
            most = max(most, last - first + 1)
        return most

    def respond(self, request: Request) -> Reply:
        """Return what the provider answers; of the subclass."""
        raise NotImplementedError

    def spoil(self, body: Any, how: str, value: str) -> Any:
        """Return an answer as it must not be; of the subclass."""
        raise NotImplementedError

    def handle(self, request: Request) -> tuple[Reply, Rule | None]:
        """Return what is answered to a request, and how it is sent."""
        with self._lock:
            self.counts[request.path] += 1
            self.seen.append(request)
            rule = next((r for r in self._rules if r.path in request.path and r.times != 0), None)
            if rule and rule.times:
                rule.times -= 1
        if rule is None:
            return self.respond(request), None
        if rule.how.isdigit():
            headers = {"Retry-After": rule.value} if rule.value else {}
            return Reply({"error": f"HTTP {rule.how}"}, int(rule.how), headers), rule
        if rule.how in _FIXED:
            return _FIXED[rule.how](rule.value), rule
        if rule.how == "skew":
            ahead = request.now + timedelta(hours=float(rule.value))
            return self.respond(replace(request, now=ahead)), rule
        reply = self.respond(request)
        if reply.status == 200 and rule.how not in _SENT_ODDLY:
            reply.body = self.spoil(reply.body, rule.how, rule.value)
        return reply, rule

    def order(self, path: str, body: bytes) -> Any:
        """Obey what came over the control path."""
        if path.endswith("/misbehave"):
            self.misbehave(**json.loads(body))
        elif path.endswith("/behave"):
            self.behave()
        return {"counts": dict(self.counts), "most_in_an_hour": self.most_in_an_hour()}


_FIXED: dict[str, Callable[[str], Reply]] = {
    "403_text": lambda _: Reply(b"Access denied", 403),
    "403_html": lambda _: Reply(HTML_403, 403),
    "404_as_200": lambda _: Reply({"error": 'No recent data for zone "US-MIDW-MISO"'}),
    "null": lambda _: Reply(None),
    "garbage": lambda _: Reply(b'{"data": [1, 2,\xff\x00'),
    "html": lambda _: Reply(b"<html>Checking your browser</html>"),
    "nested": lambda _: Reply(b"[" * 200_000),
    "redirect": lambda value: Reply({}, 302, {"Location": value}),
}

_SENT_ODDLY = {"slow_drip", "huge", "hang_up"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: Fake) -> None:
        super().__init__(address, _Handler)
        self.fake = fake

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever is answered badly may well hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        fake = self.server.fake
        parts = urlsplit(self.path)
        if parts.path.startswith("/_fake/"):
            self._send(Reply(fake.order(parts.path, b"")))
            return
        if fake.latency_s:
            time.sleep(fake.latency_s)
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply, rule = fake.handle(
            Request(parts.path, dict(parse_qsl(parts.query)), headers, fake.clock())
        )
        how = rule.how if rule else ""
        if how == "hang_up":
            self.close_connection = True
        elif how == "huge":
            self._send(Reply(b'{"data": "' + b"x" * HUGE_BYTES + b'"}'))
        elif how == "slow_drip":
            self._drip(reply)
        else:
            self._send(reply)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(Reply(self.server.fake.order(self.path, body or b"{}")))

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(self.server.fake.clock().astimezone(UTC), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def _send(self, reply: Reply) -> None:
        self._begin(reply)
        self.wfile.write(reply.content)

    def _drip(self, reply: Reply) -> None:
        self._begin(reply)
        for byte in reply.content:
            self.wfile.write(bytes([byte]))
            time.sleep(0.02)

    def _begin(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply.content)))
        self.end_headers()


def serve(make: Callable[..., Fake]) -> None:
    """Run a fake as a process until it is stopped; print its port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--wall-start", type=datetime.fromisoformat)
    parser.add_argument("--grid-start", type=datetime.fromisoformat)
    arguments = parser.parse_args()
    clock = GridClock()
    if arguments.wall_start and arguments.grid_start:
        clock = GridClock(
            wall_start=arguments.wall_start,
            grid_start=arguments.grid_start,
            speed=arguments.speed,
        )
    with make(clock=clock.now, latency_s=arguments.latency_s, port=arguments.port) as fake:
        print(fake.port, flush=True)  # noqa: T201 - whoever started it reads this
        threading.Event().wait()


def local_time(at: datetime) -> str:
    """Return a time as clocks in Berlin show it, with its offset; 2026 only."""
    summer = datetime(2026, 3, 29, 1, tzinfo=UTC) <= at < datetime(2026, 10, 25, 1, tzinfo=UTC)
    shown = at.astimezone(UTC) + timedelta(hours=2 if summer else 1)
    return f"{shown:%Y-%m-%dT%H:%M:%S}{'+02:00' if summer else '+01:00'}"
