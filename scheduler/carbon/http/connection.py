"""How a connection to a provider is opened: its limits, its proxy, its certificates, our name.

Proxies come from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. The authorities of one's own that
SSL_CERT_FILE and its like name are trusted beside the public ones, never instead of them: the same
variable serves Flower, whose Redis may have a certificate of one's own.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import httpx


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How much one endpoint may take, in wall seconds and bytes.

    Attributes:
        connect_s: To reach the server.
        read_s: Between two pieces of its response.
        deadline_s: For everything, retries included: a slow drip never exceeds `read_s`.
        most_bytes: Of a response; 32 days of 5-minute values are about 1.5 MB.
        retries: After the first try.
        longest_backoff_s: Between two tries; the actual one is drawn from 0 up to it.
        at_once: Questions under way at the same time.
    """

    connect_s: float = 5.0
    read_s: float = 10.0
    deadline_s: float = 20.0
    most_bytes: int = 5_000_000
    retries: int = 2
    longest_backoff_s: float = 1.0
    at_once: int = 32


class ConnectionFault(Exception):  # noqa: N818 - what is wrong, in words fit to be shown
    """No connection can be opened with the proxies or certificates that the environment names."""


def open_client(
    headers: Mapping[str, str], limits: RequestLimits, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """Return a client that follows no redirection and is sent nothing packed.

    Args:
        headers: Sent with every request.
        limits: Of time and of connections.
        transport: Carries the requests instead of the network.

    Raises:
        ConnectionFault: If a variable of the environment names no proxy or no certificates.
    """
    tls = trusted()
    try:
        return httpx.AsyncClient(
            headers={
                "User-Agent": f"fairwind/{_version()}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                **headers,
            },
            timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s, pool=None),
            limits=httpx.Limits(max_connections=limits.at_once),
            follow_redirects=False,
            verify=tls,
            transport=transport,
        )
    except (ValueError, ImportError, httpx.InvalidURL):
        # Its text may hold a part of a proxy's password.
        raise ConnectionFault(_proxy_fault()) from None


_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


def trusted() -> ssl.SSLContext:
    """Return what certificates are checked with, under the environment as it is now.

    Raises:
        ConnectionFault: If a file that it names cannot be read.
    """
    return _tls(tuple((name, os.environ[name]) for name in _TRUST if os.environ.get(name)))


@cache
def _tls(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    """Return what certificates are checked with; reading them all takes a while.

    Args:
        named: Variables and the files or folders of authorities that they name.

    Raises:
        ConnectionFault: If one of them cannot be read.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.set_default_verify_paths()
    for name, path in ((name, path) for name, paths in named for path in paths.split(os.pathsep)):
        try:
            context.load_verify_locations(**{"capath" if os.path.isdir(path) else "cafile": path})  # noqa: PTH112 - what the variable holds
        except OSError as error:
            msg = (
                f"{name} names {path}, from which no certificates can be read "
                f"({error.strerror or error}). Correct it or unset it"
            )
            raise ConnectionFault(msg) from None
    return context


def _proxy_fault() -> str:
    names = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    return (
        f"{' or '.join(names)} names no proxy that can be used (SOCKS is not supported). Write it "
        "as http://host:port, with user and password percent-encoded"
    )


def _version() -> str:
    try:
        return version("fairwind")
    except PackageNotFoundError:
        return "unknown"
