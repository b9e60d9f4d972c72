"""Which requests Flower answers: those under its own names, from its own pages.

Any web page that somebody on this machine looks at can send requests to Flower. The browser says
where each comes from: in `Origin`, in `Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/) and
in `Referer`. It cannot say so where the page's own name was made to lead here (DNS rebinding): then
`Host` is that name, which is none of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_SAFE: Final = frozenset({"GET", "HEAD"})

_OWN: Final = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` says of our own pages, and of an address that somebody typed."""

_DEFAULT_PORTS: Final = (":80", ":443")


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered: the status of HTTP, and a line for whoever sent it."""

    status: int
    line: str


_FOREIGN_HOST: Final = Refusal(
    421,
    "This is not served under the name in the request's Host, so nothing is shown. Open it by its "
    "own address, or add the name to FAIRWIND_PAGE_HOSTS where Flower is started.",
)
_FOREIGN_PAGE: Final = Refusal(
    403,
    "This request comes from a page of another origin, so it is not answered. Open Flower itself; "
    "behind a reverse proxy, add the proxy's host to FAIRWIND_PAGE_HOSTS.",
)


def refusal(
    method: str, headers: Mapping[str, str], host: str, *, hosts: Iterable[str], own: Iterable[str]
) -> Refusal | None:
    """Return why a request is refused, `None` if it is answered.

    Args:
        method: Of the request.
        headers: Of the request; names in any case.
        host: What it says in `Host`, with its port if that is there.
        hosts: Names under which a reverse proxy serves us.
        own: Names and addresses at which we listen; every name of loopback is ours anyway.
    """
    proxies = {name.lower() for name in hosts}
    allowed = proxies | {name.lower() for name in own}
    if not _is_ours(_host(host), allowed) and _plain(host) not in proxies:
        return _FOREIGN_HOST
    return None if _from_own_page(method, headers, host, proxies) else _FOREIGN_PAGE


def _from_own_page(method: str, headers: Mapping[str, str], host: str, proxies: set[str]) -> bool:
    def is_own(address: str) -> bool:
        netloc = urlsplit(address).netloc
        return bool(netloc) and (
            _plain(netloc) == _plain(host) or bool({_host(netloc), _plain(netloc)} & proxies)
        )

    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if origin is not None and not is_own(origin):
        return False
    if site is not None:
        return site in _OWN or _is_link(method, headers)
    referer = headers.get("Referer")
    if origin is None and referer is not None and not is_own(referer):
        # A browser that sends no metadata: a link is followed, nothing else.
        return method in _SAFE and "text/html" in headers.get("Accept", "")
    return True


def _is_link(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether somebody followed a link of another page: that page cannot read the answer."""
    return (
        method in _SAFE
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )


def _is_ours(name: str, allowed: set[str]) -> bool:
    if name in allowed or name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _host(netloc: str) -> str:
    """Return the host of ``host:port``, without the brackets of IPv6."""
    plain = netloc.strip().lower().rstrip(".")
    if plain.startswith("["):
        return plain[1:].partition("]")[0]
    return plain.rpartition(":")[0] if plain.count(":") == 1 else plain


def _plain(netloc: str) -> str:
    """Return ``host:port`` as origins are compared: a default port is none."""
    plain = netloc.strip().lower()
    for port in _DEFAULT_PORTS:
        plain = plain.removesuffix(port)
    return plain
