"""What may go wrong with one request, by whether it left this machine.

One that never left, because of the address, the name, the proxy or TLS, costs no quota and says
nothing of the provider. One that may have left counts, whatever became of it.
"""

from __future__ import annotations

import httpx


class RequestFault(Exception):  # noqa: N818 - what is wrong, in words fit to be shown
    """The provider did not respond, or not validly; `again` if a retry may help."""

    def __init__(self, text: str, *, again: bool = False) -> None:
        super().__init__(text)
        self.again = again


class Unsent(RequestFault):
    """The request never left this machine."""


class Outage(RequestFault):
    """The request left, or may have."""


RAISED = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
"""What sending a request may raise."""

_NEVER_LEFT = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError,
    httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, ValueError,
)  # fmt: skip

_MAY_PASS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)


def fault_of(error: Exception) -> RequestFault:
    """Return what one of `RAISED` means."""
    text = f"{type(error).__name__} {error}".strip()
    again = isinstance(error, _MAY_PASS)
    if not isinstance(error, _NEVER_LEFT):
        return Outage(text, again=again)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return Unsent(f"name the authority of its certificate in SSL_CERT_FILE ({text})")
    return Unsent(f"no connection ({text})", again=again)


def redirected_to(headers: httpx.Headers) -> str:
    """Return where a redirection leads, for a text about it."""
    try:
        host = httpx.URL(headers.get("location", "")).host
    except httpx.InvalidURL:
        return "an address that cannot be read"
    return host or "itself"
