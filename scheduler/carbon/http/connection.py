"""How a connection to a provider is opened: its limits, its certificates, and our user agent."""

from __future__ import annotations

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


def open_client(
    headers: Mapping[str, str], limits: RequestLimits, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """Return a client that follows no redirection and is sent nothing packed.

    Args:
        headers: Sent with every request.
        limits: Of time and of connections.
        transport: Carries the requests instead of the network.
    """
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
        verify=_tls(),
        transport=transport,
    )


@cache
def _tls() -> ssl.SSLContext:
    """Return what certificates are checked with; reading them all takes a while."""
    return httpx.create_ssl_context()


def _version() -> str:
    try:
        return version("fairwind")
    except PackageNotFoundError:
        return "unknown"
