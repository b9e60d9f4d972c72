"""What never left this machine costs no quota: proxies, names, certificates, over real sockets."""

from __future__ import annotations

import asyncio
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from common.errors import SignalUnavailable
from common.settings import Settings
from scheduler.carbon.http.access import Access
from scheduler.carbon.http.connection import RequestLimits, trusted
from scheduler.carbon.http.fetcher import Fetcher
from scheduler.carbon.http.limits import OPEN_AFTER, AccountStatus, ProviderAccount
from scheduler.carbon.providers import make_provider
from scheduler.carbon.refresh import refresh_now
from scheduler.carbon.signals.local import Local
from scheduler.carbon.signals.static import Static
from scheduler.carbon.zone_history import ZoneHistory
from tests.fakes.limits import MemoryLimits
from tests.unit.scheduler.carbon.http.limits_laws import Clock

ACCOUNT = ProviderAccount.of("fake", None, 100)

ENVIRONMENT = (
    "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class _Answers(socketserver.StreamRequestHandler):
    """Answers each connection with what its server holds, once a request has come."""

    server: Server

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        self.server.heads.append(head.decode())
        self.wfile.write(self.server.answer)


class Server(socketserver.ThreadingTCPServer):
    """A server on loopback that remembers what it was sent."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[str] = []
        super().__init__(("127.0.0.1", 0), _Answers)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, *_: object) -> None:
        """A handshake that the client ends is what some tests are about."""


@contextmanager
def serving(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    with Server(answer) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@dataclass
class Asked:
    """Asks one address, and looks at what that cost."""

    url: str
    request_limits: RequestLimits | None = None
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.provider_limits = MemoryLimits(self.clock)

    def get(self) -> int:
        async def ask() -> int:
            fetcher = Fetcher(
                Access(ACCOUNT, self.url), provider_limits=self.provider_limits, now=self.clock,
                jitter=lambda: 0.0, request_limits=self.request_limits,
            )  # fmt: skip
            try:
                return (await fetcher.get("/now", zone="DE", endpoint="now")).status
            finally:
                await fetcher.close()

        return asyncio.run(ask())

    def fails_unsent(self) -> str:
        """Ask until a circuit breaker would have opened, and return the text of the failure."""
        for _ in range(OPEN_AFTER + 1):
            with pytest.raises(SignalUnavailable) as caught:
                self.get()
        status = self.status()
        assert (status.used, status.breaker) == (0, "closed")
        assert status.last_fault
        assert status.last_fault in str(caught.value)
        return str(caught.value)

    def status(self) -> AccountStatus:
        return asyncio.run(self.provider_limits.status(ACCOUNT))


@pytest.mark.parametrize(
    "proxy",
    [
        "socks://h:1080",
        "socks5://u:hunter2@h:1080",
        "http://u:hun/ter2@h:1",
        "ftp://h",
        "http://[::",
    ],
)
@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTPS_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    monkeypatch.setenv(name, proxy)
    with serving(OK) as server:
        text = Asked(f"http://127.0.0.1:{server.port}").fails_unsent()
        assert server.heads == []
    assert f"{name.upper()} names no proxy that can be used" in text
    assert "hun" not in text
    assert "ter2" not in text


def test_exceptions_from_the_proxy_that_cannot_be_read_are_named_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "[::1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    text = Asked("http://127.0.0.1:1").fails_unsent()
    assert "HTTP_PROXY or NO_PROXY names no proxy that can be used" in text


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://127.0.0.1:1", "ConnectError"),
        ("http://nowhere.invalid", "ConnectError"),
        ("https://127.0.0.1:1", "ConnectError"),
    ],
)
def test_who_cannot_be_reached_costs_no_quota(url: str, fault: str) -> None:
    assert f"no connection ({fault}" in Asked(url).fails_unsent()


def test_a_server_that_never_accepts_costs_no_quota() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            url = f"https://127.0.0.1:{full.getsockname()[1]}"
            asked = Asked(url, RequestLimits(connect_s=0.1))
            with pytest.raises(SignalUnavailable, match="ConnectTimeout"):
                asked.get()
    assert asked.status().used == 0


def test_a_proxy_is_used_and_a_refusal_of_it_costs_no_quota(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        asked = Asked("http://provider.invalid")
        assert asked.get() == 200
        assert proxy.heads[0].startswith("GET http://provider.invalid/now")
    assert asked.status().used == 1
    with serving(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
        text = Asked("https://provider.invalid").fails_unsent()
        assert proxy.heads[0].startswith("CONNECT provider.invalid:443")
    assert "ProxyError 407 Proxy Authentication Required" in text


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"what?\r\n"]
)
def test_what_left_counts_however_it_ends(answer: bytes) -> None:
    with serving(answer) as server:
        asked = Asked(f"http://127.0.0.1:{server.port}")
        with pytest.raises(SignalUnavailable):
            asked.get()
        assert asked.status().used == len(server.heads) == 3


def test_the_next_source_stands_in_with_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080")
    clock = Clock()
    limits = MemoryLimits(clock)

    async def refresh() -> ZoneHistory:
        neso = make_provider(Settings(), "neso", provider_limits=limits, now=clock)
        static = Local("static", Static({"GB": 120.0}), clock)
        chain = [neso, static]
        return await refresh_now(ZoneHistory("GB"), chain, now=clock(), bridged=timedelta(hours=6))

    known = asyncio.run(refresh())
    reading = known.reading_at(clock())
    assert reading is not None
    assert (reading.source, reading.gco2eq_per_kwh) == ("static", 120.0)
    assert "ALL_PROXY names no proxy that can be used" in known.faults["neso"]


# --- certificates -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """An authority of one's own, and a server's certificate that it has signed."""

    file: Path
    folder: Path
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*words: str) -> str:
        done = subprocess.run(
            ["openssl", *words], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl(*new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=An authority of our own")
    openssl(
        *new, "-keyout", "server.key", "-out", "server.crt", "-subj", "/CN=localhost",
        "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1",
        "-addext", "basicConstraints=critical,CA:FALSE",
    )  # fmt: skip
    hashed = folder / "hashed"
    hashed.mkdir()
    name = openssl("x509", "-hash", "-noout", "-in", "ca.crt")
    shutil.copy(folder / "ca.crt", hashed / f"{name}.0")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return Authority(folder / "ca.crt", hashed, context)


def test_a_certificate_nobody_vouches_for_costs_no_quota(authority: Authority) -> None:
    with serving(OK, authority.server) as server:
        text = Asked(f"https://127.0.0.1:{server.port}").fails_unsent()
        assert server.heads == []
    assert "CERTIFICATE_VERIFY_FAILED" in text
    assert "name the authority of its certificate in SSL_CERT_FILE" in text


@pytest.mark.parametrize(
    "name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"]
)
def test_an_authority_of_ones_own_is_trusted_beside_the_public_ones(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, name: str
) -> None:
    public = httpx.create_ssl_context(trust_env=False).get_ca_certs()
    monkeypatch.setenv(name, str(authority.folder if name == "SSL_CERT_DIR" else authority.file))
    with serving(OK, authority.server) as server:
        asked = Asked(f"https://127.0.0.1:{server.port}")
        assert asked.get() == 200
    assert asked.status().used == 1
    assert len(public) > 50
    ours = trusted().get_ca_certs()
    assert all(each in ours for each in public)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_certificates_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with serving(OK) as server:
        text = Asked(f"http://127.0.0.1:{server.port}").fails_unsent()
    assert f"SSL_CERT_FILE names {file}, from which no certificates can be read" in text
