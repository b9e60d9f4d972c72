"""The feed: the view of a run, computed once for all pages that show it, sent when it changes."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from common.errors import FairwindError

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class Source(Protocol):
    """Where views come from. Its methods may block; they are called in one thread."""

    def latest_seq(self) -> int:
        """Return a number that changes whenever the view may have changed."""

    def load_view(self, run: str | None) -> dict[str, Any]:
        """Return the view of `run`, or of the latest run if `None`."""

    def load_advice(self, client: str) -> dict[str, Any]:
        """Return what `client` could do to emit less."""

    def load_runs(self) -> dict[str, Any]:
        """Return all runs, one row each."""

    def load_comparison(self, first: str, second: str) -> dict[str, Any]:
        """Return two runs side by side."""


class Mailbox:
    """The newest view that one open page has not received yet; a slow page skips older ones."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._ready = asyncio.Event()

    def put(self, text: str) -> None:
        """Keep `text`, in place of a view that was not taken."""
        self._text = text
        self._ready.set()

    def wake(self) -> None:
        """End a wait without a view."""
        self._ready.set()

    async def take(self, timeout_s: float) -> str | None:
        """Return the newest view, or `None` if there is none within `timeout_s` wall seconds."""
        try:
            await asyncio.wait_for(self._ready.wait(), timeout_s)
        except TimeoutError:
            return None
        self._ready.clear()
        text, self._text = self._text, None
        return text


@dataclass
class _Channel:
    """All open pages of one run, their newest view, and the task that renews it."""

    mailboxes: set[Mailbox] = field(default_factory=set)
    newest: str | None = None
    watcher: asyncio.Task[None] | None = None

    def publish(self, text: str) -> None:
        self.newest = text
        for mailbox in self.mailboxes:
            mailbox.put(text)


class Feed:
    """Views as JSON text for any number of pages; at most one computation per run at a time.

    Whatever goes wrong becomes a view, too: ``{"problem": "one sentence"}``, tried again each
    `refresh_s`. Use it from one event loop.

    Args:
        source: Where views come from.
        poll_s: How often the source is polled for changes, wall seconds.
        refresh_s: A view is renewed at least this often, since clocks move; wall seconds.
    """

    def __init__(self, source: Source, *, poll_s: float = 0.5, refresh_s: float = 5.0) -> None:
        self._source = source
        self._poll_s = poll_s
        self._refresh_s = refresh_s
        self._channels: dict[str | None, _Channel] = {}
        self._computing: dict[str | None, asyncio.Task[str]] = {}
        # One thread: the ledger is never read twice at once, and Flower's own pool stays free.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rounds")
        self._problem: str | None = None

    async def snapshot(self, run: str | None) -> str:
        """Return the view of `run` as JSON, joining a computation that is already under way."""
        task = self._computing.get(run)
        if task is None:
            load = partial(self._source.load_view, run)
            task = asyncio.create_task(self._in_thread(lambda: self._as_json(load)))
            self._computing[run] = task
            task.add_done_callback(lambda _: self._computing.pop(run, None))
        return await asyncio.shield(task)

    async def advice(self, client: str) -> str:
        """Return the advice for `client` as JSON, computed now."""
        load = partial(self._source.load_advice, client)
        return await self._in_thread(lambda: self._as_json(load))

    async def runs(self) -> str:
        """Return all runs as JSON, one row each, computed now."""
        return await self._in_thread(lambda: self._as_json(self._source.load_runs))

    async def comparison(self, first: str, second: str) -> str:
        """Return two runs side by side as JSON, computed now."""
        load = partial(self._source.load_comparison, first, second)
        return await self._in_thread(lambda: self._as_json(load))

    @contextmanager
    def subscribe(self, run: str | None) -> Iterator[Mailbox]:
        """Yield a mailbox that gets the view of `run` now and whenever it changes."""
        mailbox = Mailbox()
        channel = self._channels.setdefault(run, _Channel())
        channel.mailboxes.add(mailbox)
        if channel.newest is not None:
            mailbox.put(channel.newest)
        if channel.watcher is None:
            channel.watcher = asyncio.create_task(self._watch(run, channel))
        try:
            yield mailbox
        finally:
            channel.mailboxes.discard(mailbox)
            if not channel.mailboxes:
                channel.watcher.cancel()
                self._channels.pop(run, None)

    async def _watch(self, run: str | None, channel: _Channel) -> None:
        loop = asyncio.get_running_loop()
        seen, due = None, loop.time()
        while True:
            latest = await self._in_thread(self._latest_seq)
            if latest != seen or loop.time() >= due:
                channel.publish(await self.snapshot(run))
                seen, due = latest, loop.time() + self._refresh_s
            await asyncio.sleep(self._poll_s)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _latest_seq(self) -> int | None:
        try:
            return self._source.latest_seq()
        except Exception:  # noqa: BLE001 - the computation that follows reports what is wrong
            return None

    def _as_json(self, load: Callable[[], dict[str, Any]]) -> str:
        try:
            text = json.dumps(_plain(load()), separators=(",", ":"))
        except Exception as error:  # noqa: BLE001 - a page that explains itself, never a traceback
            return json.dumps({"problem": self._explain(error)})
        self._problem = None
        return text

    def _explain(self, error: Exception) -> str:
        problem = str(error) if isinstance(error, FairwindError) else _unforeseen(error)
        if problem != self._problem:  # once, not every few seconds
            _log.warning("view.failed", problem=problem, exc_info=error)
            self._problem = problem
        return problem


def _unforeseen(error: Exception) -> str:
    return (
        f"The view of the ledger cannot be computed ({type(error).__name__}), so nothing can be "
        "shown for the moment. Flower's log holds the details. The page tries again by itself."
    )


def _plain(value: Any) -> Any:
    """Return `value` with what JSON lacks, NaN and infinities, as null: a model may diverge."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
