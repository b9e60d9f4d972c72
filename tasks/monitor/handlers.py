"""The page's addresses: the page, its data once and as it changes, tables, advice, and assets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import parse_qsl, urlencode

from pydantic import ValidationError
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, StaticFileHandler, authenticated

from common.messages import NAME_PATTERN
from tasks.monitor.feed import Feed
from tasks.monitor.page.document import Shown
from tasks.monitor.page.query import ClientQuery, Query, RoundQuery

if TYPE_CHECKING:
    # Flower carries no types; its handler is one of tornado's, with authentication added.
    from tornado.web import RequestHandler as BaseHandler
else:
    from flower.views import BaseHandler

STATIC: Final = Path(__file__).parent / "static"

HEARTBEAT_S: Final = 10.0
"""A page that receives nothing for twice as long says so; proxies cut a silent connection after
about a minute. Wall seconds."""

RETRY_MS: Final = 2000
"""How long a browser waits before it connects again; wall milliseconds."""

_Query = TypeVar("_Query", bound=Query)

_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Of our page, whose scripts set styles by properties alone; Flower's pages need more."""


class Asset(StaticFileHandler):
    """Our scripts and styles; a browser revalidates its copy each time."""

    def set_extra_headers(self, path: str) -> None:
        """Keep old scripts from a new page after an upgrade."""
        del path
        self.set_header("Cache-Control", "no-cache")


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

    def shown(self) -> Shown:
        """Return what the page looks at: its first pages if the query does not say.

        Raises:
            HTTPError: 400 if there is no such column, page or choice.
        """
        clients = self.parsed(ClientQuery, self.get_query_argument("clients", ""))
        rounds = self.get_query_argument("rounds", None)
        return Shown(clients, None if rounds is None else self.parsed(RoundQuery, rounds))

    def parsed(self, query: type[_Query], text: str) -> _Query:
        """Return a table's query, which is itself written as a query string.

        Raises:
            HTTPError: 400 if there is no such column, page or choice.
        """
        try:
            return query.model_validate(dict(parse_qsl(text, keep_blank_values=True)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise HTTPError(400, f"{where}: {first['msg']}") from None

    def send_json(self, text: str) -> None:
        """Send JSON that no cache may keep."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.write(text)


class RoundsData(_FeedHandler):
    """The document as JSON, once."""

    @authenticated
    async def get(self) -> None:
        """Send the document of the run in the query, or of the latest one."""
        self.send_json(await self.feed.document(self.named("run"), self.shown()))


class RoundsTable(_FeedHandler):
    """One page of a table as JSON: searched, filtered, sorted."""

    @authenticated
    async def get(self, table: str) -> None:
        """Send the page that the query describes."""
        text = urlencode(
            [
                (name, value)
                for name in self.request.query_arguments
                if name != "run"
                for value in self.get_query_arguments(name)
            ]
        )
        if table == "clients":
            shown = Shown(clients=self.parsed(ClientQuery, text))
        else:
            shown = Shown(rounds=self.parsed(RoundQuery, text))
        self.send_json(await self.feed.table(self.named("run"), shown))


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
    """Server-sent events: the document when a page connects, patches of it whenever it changes."""

    @authenticated
    async def get(self) -> None:
        """Send messages until the page is closed."""
        run, shown = self.named("run"), self.shown()
        # A browser that reconnects by itself says which version it has; its tables are the same.
        resumed = self.request.headers.get("Last-Event-ID")
        base = resumed or self.get_query_argument("base", None)
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # else nginx collects events before it sends
        with self.feed.subscribe(run, shown, base=base, resumes=bool(resumed)) as self.listener:
            try:
                await self._send(f"retry: {RETRY_MS}\n\n")
                while not self.listener.closed:
                    version, text = await self.feed.take(self.listener, HEARTBEAT_S)
                    name = f"id: {version}\n" if version else ""
                    await self._send(f"{name}data: {text}\n\n")
            except StreamClosedError:
                return

    async def _send(self, text: str) -> None:
        self.write(text)
        await self.flush()

    def on_connection_close(self) -> None:
        """Stop at once when the browser goes, not at the next heartbeat."""
        if hasattr(self, "listener"):
            self.listener.close()
        super().on_connection_close()
