"""The page's addresses: the page, its data once and as it changes, advice, and its assets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, StaticFileHandler, authenticated

from common.messages import NAME_PATTERN
from tasks.monitor.feed import Feed

if TYPE_CHECKING:
    # Flower carries no types; its handler is one of tornado's, with authentication added.
    from tornado.web import RequestHandler as BaseHandler
else:
    from flower.views import BaseHandler

STATIC: Final = Path(__file__).parent / "static"

HEARTBEAT_S: Final = 15.0
"""Proxies cut a connection that is silent for about a minute; wall seconds."""

RETRY_MS: Final = 2000
"""How long a browser waits before it connects again; wall milliseconds."""

_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
"""Nothing is loaded from, or sent to, another host. jQuery, in Flower's pages, sets styles."""


class Asset(StaticFileHandler):
    """Our scripts and styles; a browser revalidates its copy each time."""

    def set_extra_headers(self, path: str) -> None:
        """Keep old scripts from a new page after an upgrade."""
        del path
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")


class RoundsView(BaseHandler):
    """The page, empty: its script fills it."""

    @authenticated
    def get(self) -> None:
        """Send the page."""
        self.set_header("Content-Security-Policy", _POLICY)
        self.render("rounds.html")


class _FeedHandler(BaseHandler):
    """Base of the handlers that read the feed."""

    def initialize(self, feed: Feed) -> None:
        """Take the feed that every page shares."""
        self.feed = feed

    def named(self, subject: str) -> str | None:
        """Return the name that the query gives a subject, `None` if it gives none.

        Raises:
            HTTPError: 400 if nothing can have this name.
        """
        name = self.get_query_argument(subject, "") or None
        if name is not None and not re.fullmatch(NAME_PATTERN, name):
            raise HTTPError(400, f"no {subject} can have this name")
        return name

    def send_json(self, text: str) -> None:
        """Send JSON that no cache may keep."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.write(text)


class RoundsData(_FeedHandler):
    """The view as JSON, once."""

    @authenticated
    async def get(self) -> None:
        """Send the view of the run in the query, or of the latest one."""
        self.send_json(await self.feed.snapshot(self.named("run")))


class RoundsAdvice(_FeedHandler):
    """What one client could do to emit less, as JSON, once."""

    @authenticated
    async def get(self) -> None:
        """Send the advice for the client in the query."""
        client = self.named("client")
        if client is None:
            raise HTTPError(400, "the query names no client")
        self.send_json(await self.feed.advice(client))


class RoundsRuns(_FeedHandler):
    """All runs as JSON, once."""

    @authenticated
    async def get(self) -> None:
        """Send one row a run."""
        self.send_json(await self.feed.runs())


class RoundsComparison(_FeedHandler):
    """Two runs side by side as JSON, once."""

    @authenticated
    async def get(self) -> None:
        """Send the comparison of the two runs in the query."""
        first, second = self.named("first"), self.named("second")
        if first is None or second is None:
            raise HTTPError(400, "the query does not name two runs")
        self.send_json(await self.feed.comparison(first, second))


class RoundsEvents(_FeedHandler):
    """The view as server-sent events: whole when a page connects, again whenever it changes."""

    _open = True

    @authenticated
    async def get(self) -> None:
        """Send views until the page is closed."""
        run = self.named("run")
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # else nginx collects events before it sends
        with self.feed.subscribe(run) as self.mailbox:
            try:
                await self._send(f"retry: {RETRY_MS}\n\n")
                while self._open:
                    text = await self.mailbox.take(HEARTBEAT_S)
                    await self._send(": still here\n\n" if text is None else f"data: {text}\n\n")
            except StreamClosedError:
                return

    async def _send(self, text: str) -> None:
        self.write(text)
        await self.flush()

    def on_connection_close(self) -> None:
        """Stop at once when the browser goes, not at the next heartbeat."""
        self._open = False
        if hasattr(self, "mailbox"):
            self.mailbox.wake()
        super().on_connection_close()
