"""The feed: what there is to see of a run, computed once for all pages that show it.

A page gets its document when it connects, then patches of it. A page that is slow gets one patch
for all that changed meanwhile; one that comes back within a minute gets what changed since.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, Final, Protocol, TypeVar

import structlog

from common.clock import GridClock, wall_now
from common.errors import FairwindError
from common.visible import visible_json
from tasks.monitor.channel import Channel, Listener, Version
from tasks.monitor.page.document import Shown, Snapshot, compact

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)

_KEPT_S: Final = 60.0
"""How long versions are kept after the last page has gone, wall seconds."""

_PAUSE_FACTOR: Final = 4.0
"""After a computation the feed pauses so many times as long as it took."""


class Source(Protocol):
    """Where snapshots come from. Its methods may block; they are called in one thread."""

    def latest_seq(self) -> int:
        """Return a number that changes whenever what is to be seen may have changed."""

    def clock(self) -> GridClock:
        """Return the grid clock."""

    def load_snapshot(self, run: str | None) -> Snapshot:
        """Return what there is to see of `run`, or of the latest run if `None`."""

    def load_advice(self, client: str) -> dict[str, Any]:
        """Return what `client` could do to emit less."""

    def load_runs(self) -> dict[str, Any]:
        """Return all runs, one row each."""

    def load_comparison(self, first: str, second: str) -> dict[str, Any]:
        """Return two runs side by side."""


class Feed:
    """Documents and patches as JSON for any number of pages; one computation a run at a time.

    Whatever goes wrong is sent, too: ``{"problem": "one sentence"}``, tried again each `refresh_s`.
    Use it from one event loop.

    Args:
        source: Where snapshots come from.
        poll_s: How often the source is polled for changes while a page is open, wall seconds.
        refresh_s: What the ledger does not hold, such as forecasts, is read again as often.
    """

    def __init__(self, source: Source, *, poll_s: float = 0.5, refresh_s: float = 5.0) -> None:
        self._source = source
        self._poll_s = poll_s
        self._refresh_s = refresh_s
        self._channels: dict[str | None, Channel] = {}
        self._computing: dict[str | None, asyncio.Task[Version]] = {}
        self._process = secrets.token_hex(4)
        self._numbers = count(1)
        # One thread: the ledger is never read twice at once, and Flower's own pool stays free.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rounds")
        self._problem: str | None = None

    async def document(self, run: str | None, shown: Shown) -> str:
        """Return the whole document of `run` as JSON."""
        version = await self._version(run)
        return await self._in_thread(lambda: self._stamped(version.whole(shown)))

    async def table(self, run: str | None, shown: Shown) -> str:
        """Return the tables that are shown as JSON, without the rest of the document."""
        version = await self._version(run)
        return await self._in_thread(lambda: self._stamped(version.tables(shown)))

    async def advice(self, client: str) -> str:
        """Return the advice for `client` as JSON, computed now."""
        load = partial(self._source.load_advice, client)
        return await self._in_thread(lambda: self._answer(load))

    async def runs(self) -> str:
        """Return all runs as JSON, one row each, computed now."""
        return await self._in_thread(lambda: self._answer(self._source.load_runs))

    async def comparison(self, first: str, second: str) -> str:
        """Return two runs side by side as JSON, computed now."""
        load = partial(self._source.load_comparison, first, second)
        return await self._in_thread(lambda: self._answer(load))

    async def take(self, listener: Listener, timeout_s: float) -> tuple[str | None, str]:
        """Return the next message for a page and the version it makes of what the page holds.

        Where nothing is new within `timeout_s` wall seconds, the message has the clocks alone.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while await listener.woken(until - loop.time()):
            if message := await self._in_thread(listener.message):
                return message.get("version"), self._stamped(message)
        return None, self._stamped({})

    @contextmanager
    def subscribe(
        self, run: str | None, shown: Shown, *, base: str | None = None, resumes: bool = False
    ) -> Iterator[Listener]:
        """Yield a listener that gets the document of `run` now, and patches whenever it changes.

        Args:
            run: The run, or the latest one if `None`.
            shown: What the page looks at.
            base: The version that the page holds already, if it comes back.
            resumes: Whether it holds its tables, too, as `shown` says.
        """
        channel = self._channels.setdefault(run, Channel())
        listener = Listener(channel, shown, channel.find(base), resumes=resumes)
        channel.listeners.add(listener)
        if channel.forget is not None:
            channel.forget.cancel()
        if channel.watcher is None:
            channel.watcher = asyncio.create_task(self._watch(run, channel))
        try:
            yield listener
        finally:
            channel.listeners.discard(listener)
            if not channel.listeners:
                channel.watcher.cancel()
                channel.watcher = None
                later = asyncio.get_running_loop().call_later
                channel.forget = later(_KEPT_S, partial(self._channels.pop, run, None))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _stamped(self, message: dict[str, Any]) -> str:
        """Return a message as JSON with both clocks, so that a page counts on by itself."""
        return visible_json({**message, **self._clocks()})

    def _clocks(self) -> dict[str, Any]:
        try:
            clock = self._source.clock()
        except FairwindError:  # the message says what is wrong with the settings
            return {"at": round(wall_now().timestamp(), 3)}
        now = {"now": clock.now().timestamp(), "clock_speed": clock.speed}
        stamped: dict[str, Any] = compact({**now, "at": wall_now().timestamp()})
        return stamped

    async def _version(self, run: str | None) -> Version:
        """Return the newest version, joining a computation that is already under way."""
        channel = self._channels.get(run)
        if channel and channel.watcher and channel.newest and not channel.newest.problem:
            return channel.newest
        return await self._computed(run)

    async def _computed(self, run: str | None) -> Version:
        task = self._computing.get(run)
        if task is None:
            task = asyncio.create_task(self._in_thread(lambda: self._compute(run)))
            self._computing[run] = task
            task.add_done_callback(lambda _: self._computing.pop(run, None))
        return await asyncio.shield(task)

    async def _watch(self, run: str | None, channel: Channel) -> None:
        loop = asyncio.get_running_loop()
        seen, due = None, loop.time()
        while True:
            latest = await self._in_thread(self._latest_seq)
            begun = loop.time()
            if latest != seen or begun >= due:
                channel.publish(await self._computed(run))
                seen, due = latest, loop.time() + self._refresh_s
            took = loop.time() - begun
            await asyncio.sleep(max(self._poll_s, _PAUSE_FACTOR * took))

    def _latest_seq(self) -> int | None:
        try:
            return self._source.latest_seq()
        except Exception:  # noqa: BLE001 - the computation that follows reports what is wrong
            return None

    def _compute(self, run: str | None) -> Version:
        name = f"{self._process}-{next(self._numbers)}"
        try:
            version = Version(name, self._source.load_snapshot(run))
        except Exception as error:  # noqa: BLE001 - a page that explains itself, never a traceback
            return Version(name, None, self._explain(error))
        self._problem = None
        return version

    def _answer(self, load: Callable[[], dict[str, Any]]) -> str:
        try:
            return visible_json(compact(load()))
        except Exception as error:  # noqa: BLE001 - as above
            return visible_json({"problem": self._explain(error)})

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
