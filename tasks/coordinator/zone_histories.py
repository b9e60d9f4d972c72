"""Zone histories on the coordinator's own disk: one process sends requests, all of them read.

Not in Redis: gates open by these figures, and the ledger keeps them as a provider's, so nobody
else may write them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import uuid4

from common.errors import FairwindError, SignalError
from common.file_lock import try_lock
from common.log import get_logger
from scheduler.carbon.reading import Reading
from scheduler.carbon.zone_history import ZoneHistory

_KIND = ".zone.json"
_CHANGES = "changes"
_WANTED = "wanted"

_log = get_logger(__name__)


class ZoneHistories:
    """What all processes of the coordinator know of the grids; a `Signal` to those who read.

    Args:
        folder: Where they are; it need not exist.
    """

    name = "live"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changes: tuple[int, int] | None = (0, 0)
        self._has_news = False
        self._known: dict[str, ZoneHistory] = {}

    def renew(self) -> bool:
        """Forget what this process remembers if another has learned more; return whether so."""
        changes = self._last_change()
        if changes == self._changes and changes is not None:
            return False
        self._changes = changes
        self._known.clear()
        self._has_news = True
        return True

    def take_news(self) -> bool:
        """Return whether anything was learned since this was last asked."""
        self.renew()
        news, self._has_news = self._has_news, False
        return news

    def zone(self, zone: str) -> ZoneHistory:
        """Return a zone's history, an empty one if nothing is known."""
        self.remember([zone])
        return self._known[zone]

    def remember(self, zones: Iterable[str]) -> None:
        """Read what this process does not remember of some zones."""
        self._known |= self.load(zone for zone in zones if zone not in self._known)

    def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones there is a zone history of, sorted."""
        files = self._folder.glob(f"*{_KIND}")
        return tuple(sorted(unquote(file.name.removesuffix(_KIND)) for file in files))

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every reading known that overlaps `[start, end)`; see `Signal.readings`."""
        found = self.zone(zone).between(start, end)
        if (not found or found[-1].end < end) and self.renew():
            found = self.zone(zone).between(start, end)
        if not found:
            raise SignalError(self._nothing(zone, start))
        return found

    def load(self, zones: Iterable[str]) -> dict[str, ZoneHistory]:
        """Return the zone histories as they are kept; an empty one where there is none."""
        return {zone: self._read(zone) for zone in zones}

    def save(self, histories: Mapping[str, ZoneHistory]) -> None:
        """Keep zone histories, and let every process see that something changed."""
        if not histories:
            return
        for zone, known in histories.items():
            self._write(self._file(zone), json.dumps(known.to_dict(), separators=(",", ":")))
        self._write(self._folder / _CHANGES, "")

    @contextmanager
    def flight(self, zones: Iterable[str]) -> Iterator[list[str]]:
        """Yield those of the zones that no other process refreshes meanwhile."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as held:
            yield [zone for zone in sorted(set(zones)) if self._take(zone, held)]

    def want(self, every_s: float) -> bool:
        """Return whether a refresh may be asked for: once in `every_s` wall seconds it may."""
        file = self._folder / _WANTED
        if file.exists() and 0 <= time.time() - file.stat().st_mtime < every_s:
            return False
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        return True

    def _take(self, zone: str, held: ExitStack) -> bool:
        """Lock a zone until `held` ends, or this process does."""
        file = self._file(zone).with_suffix(".lock")
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        if try_lock(descriptor):
            held.callback(os.close, descriptor)
            return True
        os.close(descriptor)
        return False

    def _last_change(self) -> tuple[int, int] | None:
        try:
            found = (self._folder / _CHANGES).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _file(self, zone: str) -> Path:
        return self._folder / f"{quote(zone, safe='')}{_KIND}"

    def _read(self, zone: str) -> ZoneHistory:
        """Return what is kept of a zone; what cannot be read is unknown, and is asked for again."""
        try:
            return ZoneHistory.from_dict(json.loads(self._file(zone).read_bytes()))
        except FileNotFoundError:
            return ZoneHistory(zone)
        except (OSError, LookupError, TypeError, ValueError, FairwindError) as error:
            _log.warning("zone_history.unreadable", zone=zone, reason=str(error))
            return ZoneHistory(zone)

    def _write(self, file: Path, text: str) -> None:
        """Replace a file. It is not synced: what a power failure takes is asked for again."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = file.with_name(f"{uuid4().hex}.part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            written.write(text)
        partial.replace(file)

    def _nothing(self, zone: str, at: datetime) -> str:
        faults = "; ".join(f"{name}: {why}" for name, why in self.zone(zone).faults.items())
        return (
            f"Nothing is known of {zone} at {at:%Y-%m-%d %H:%M} UTC, so its carbon intensity is "
            f"unknown. {faults or 'No source has been asked yet.'} `fairwind signal` shows more."
        )
