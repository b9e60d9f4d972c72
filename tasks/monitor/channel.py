"""A channel: the last versions of what there is to see of one run, and the pages that show it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.monitor.page.document import Shown, Snapshot
from tasks.monitor.page.patch import make_patch

_KEPT_VERSIONS: Final = 4
"""For pages that come back."""

_MOST_DOCUMENTS: Final = 32
"""Different documents of one version that are kept: pages rarely look at so many things."""

_NO_TABLES: Final = Shown()


@dataclass(eq=False)
class Version:
    """A snapshot under a name, and what was made of it already; or what is wrong."""

    name: str
    snapshot: Snapshot | None
    problem: str | None = None
    _documents: dict[Shown, dict[str, Any]] = field(default_factory=dict)
    _patches: dict[tuple[str, Shown, Shown], dict[str, Any]] = field(default_factory=dict)

    def whole(self, shown: Shown) -> dict[str, Any]:
        """Return a message with the whole document, or with what is wrong."""
        if self.snapshot is None:
            return {"problem": self.problem}
        return {"version": self.name, "document": self._document(shown)}

    def tables(self, shown: Shown) -> dict[str, Any]:
        """Return the tables that are shown, or what is wrong."""
        if self.snapshot is None:
            return {"problem": self.problem}
        return self.snapshot.tables(shown)

    def since(self, base: Version, held: Shown, shown: Shown) -> dict[str, Any]:
        """Return what changed since `base` for a page that held `held` and is to hold `shown`."""
        key = base.name, held, shown
        if key not in self._patches:
            self._patches[key] = make_patch(base._document(held), self._document(shown))
        return self._patches[key]

    def _document(self, shown: Shown) -> dict[str, Any]:
        assert self.snapshot is not None  # noqa: S101 - the caller looked
        if len(self._documents) > _MOST_DOCUMENTS:
            self._documents.clear()
            self._patches.clear()
        if shown not in self._documents:
            self._documents[shown] = self.snapshot.document(shown)
        return self._documents[shown]


@dataclass
class Channel:
    """All open pages of one run, the last versions, and the task that makes new ones."""

    listeners: set[Listener] = field(default_factory=set)
    versions: deque[Version] = field(default_factory=lambda: deque(maxlen=_KEPT_VERSIONS))
    newest: Version | None = None
    watcher: asyncio.Task[None] | None = None
    forget: asyncio.TimerHandle | None = None

    def publish(self, version: Version) -> None:
        """Make a version the newest one, unless nothing has changed, and wake the pages."""
        last = self.versions[-1] if self.versions else None
        if version.snapshot is None:
            self.newest = version
        elif last is not None and last.snapshot == version.snapshot:
            self.newest = last
        else:
            self.newest = version
            self.versions.append(version)
        for listener in self.listeners:
            listener.wake()

    def find(self, name: str | None) -> Version | None:
        """Return a version that is kept, by its name."""
        return next((each for each in self.versions if each.name == name), None)


class Listener:
    """One open page: what it looks at, and what it holds.

    Args:
        channel: Of the run that it shows.
        shown: What it looks at.
        base: The version that it holds already, if any.
        resumes: Whether it holds the tables of that version, too.

    Attributes:
        closed: Whether the page has gone.
    """

    def __init__(
        self, channel: Channel, shown: Shown, base: Version | None, *, resumes: bool
    ) -> None:
        self._channel = channel
        self._shown = shown
        self._base = base
        self._held = shown if resumes else _NO_TABLES
        self._had_problem = False
        self.closed = False
        self._ready = asyncio.Event()
        if channel.newest is not None:
            self._ready.set()

    def wake(self) -> None:
        """End a wait: there may be news."""
        self._ready.set()

    def close(self) -> None:
        """End a wait for good: the page has gone."""
        self.closed = True
        self._ready.set()

    async def woken(self, timeout_s: float) -> bool:
        """Wait for news, and return whether there may be some."""
        try:
            await asyncio.wait_for(self._ready.wait(), max(0.0, timeout_s))
        except TimeoutError:
            return False
        self._ready.clear()
        return not self.closed

    def message(self) -> dict[str, Any] | None:
        """Return what the page must receive to hold the newest version, `None` if nothing."""
        newest = self._channel.newest
        if newest is None:
            return None
        if newest.problem is not None:
            self._had_problem = True
            return newest.whole(self._shown)
        message = newest.whole(self._shown)
        if self._base is not None:
            patch = newest.since(self._base, self._held, self._shown)
            if not patch and not self._had_problem:
                return None
            message = {"version": newest.name, "base": self._base.name, "patch": patch}
        self._base, self._held, self._had_problem = newest, self._shown, False
        return message
