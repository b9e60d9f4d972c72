"""What stands between a web page and all of Flower: its own pages, its API, static files, ours.

Flower builds its handlers itself and checks the origin of few. So the check stands where each of
its requests passes, before any handler is made, and the headers where each of its answers passes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from secrets import token_urlsafe
from typing import Any, Final

import structlog
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.options import OptionParser
from tornado.web import (
    GZipContentEncoding,
    OutputTransform,
    RequestHandler,
    stream_request_body,
)

from common.errors import FairwindError
from common.settings import load
from common.visible import visible_json, visible_lines
from tasks.monitor.origin import Refusal, refusal

_log = structlog.get_logger(__name__)

_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Nothing is loaded from, or sent to, another host. jQuery, in Flower's pages, sets styles."""

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_NO_ADDRESS: Final = Refusal(400, "No address has such a character in it, so nothing is shown.")

_MOST_NOTED: Final = 64
"""Different refused requests that are logged: a page that sends many fills no disk."""


class Shielded(OutputTransform):
    """Gives each answer the headers of `_HEADERS`, and shows unseen characters as text."""

    def __init__(self, request: HTTPServerRequest) -> None:
        """Take the request that is answered; a template may name its ``nonce``."""
        super().__init__(request)
        self._nonce = request.nonce = token_urlsafe(16)  # type: ignore[attr-defined] # ours

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001 - tornado's signature
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Return status, headers and body as they leave."""
        for name in [name for name in headers if name.lower().startswith("access-control-")]:
            del headers[name]
        headers.pop("Server", None)
        for name, value in _HEADERS.items():
            headers[name] = value
        headers.setdefault("Content-Security-Policy", _POLICY.format(nonce=self._nonce))
        if finishing and chunk:
            shown = _visible_body(headers.get("Content-Type", ""), chunk)
            if shown is not chunk:
                chunk = shown
                headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk


def _visible_body(content_type: str, body: bytes) -> bytes:
    kind = content_type.partition(";")[0].strip()
    if kind in {"text/html", "text/plain"}:
        text = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\t", "    ")
        return visible_lines(text).encode()
    if kind == "application/json" and b"\\" in body:
        return visible_json(json.loads(body)).encode()
    return body


@stream_request_body
class Refused(RequestHandler):
    """Answers a refused request with one line, before any of its body is read."""

    def initialize(self, why: Refusal) -> None:
        """Take why it is refused."""
        self._why = why

    def check_xsrf_cookie(self) -> None:
        """Check nothing: it is refused anyway."""

    def prepare(self) -> None:
        """Refuse it."""
        self.set_status(self._why.status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(f"{self._why.line}\n")

    def data_received(self, chunk: bytes) -> None:
        """Drop what comes."""


def shield(options: OptionParser, settings: dict[str, Any]) -> None:
    """Put the check before all handlers of Flower, and the headers behind them.

    Args:
        options: Of Flower: the address at which it listens.
        settings: What Flower hands to tornado.
    """
    settings["transforms"] = [Shielded, GZipContentEncoding]
    settings["xsrf_cookie_kwargs"] = {"samesite": "Strict"}
    app = import_module("flower.app").Flower
    app.find_handler = _guarded(app.__base__.find_handler, options)


def _guarded(find: Callable[..., Any], options: OptionParser) -> Callable[..., Any]:
    """Return `tornado.web.Application.find_handler` with the check before it."""
    noted: set[tuple[int, str]] = set()

    def find_handler(app: Any, request: HTTPServerRequest, **rest: Any) -> Any:
        why = _why_refused(request, options)
        if why is None:
            return find(app, request, **rest)
        about = (why.status, request.host)
        if about not in noted and len(noted) < _MOST_NOTED:
            noted.add(about)
            _log.warning(
                "request.refused",
                status=why.status, host=request.host, origin=request.headers.get("Origin"),
                path=request.path[:100], consequence=why.line,
            )  # fmt: skip
        return app.get_handler_delegate(request, Refused, {"why": why})

    return find_handler


def _why_refused(request: HTTPServerRequest, options: OptionParser) -> Refusal | None:
    if "%00" in request.path:  # no folder of static files can look for it
        return _NO_ADDRESS
    own = [options.address] if options.address else []
    return refusal(
        request.method or "", request.headers, request.host,
        hosts=_proxies(), own=[*own, *_arrived_at(request)],
    )  # fmt: skip


def _proxies() -> tuple[str, ...]:
    try:
        return load().page_hosts
    except FairwindError:
        return ()  # the page says what is wrong with the settings


def _arrived_at(request: HTTPServerRequest) -> list[str]:
    """Return the address of ours to which a request came; none by a Unix socket."""
    stream = getattr(request.connection, "stream", None)
    if stream is None or stream.socket is None:
        return []
    name = stream.socket.getsockname()
    return [str(name[0])] if isinstance(name, tuple) else []
