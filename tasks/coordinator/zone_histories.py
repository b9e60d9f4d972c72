"""Zone histories shared through Redis: one process sends requests, all of them read."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import redis

from common.errors import SignalError
from scheduler.carbon.reading import Reading
from scheduler.carbon.zone_history import ZoneHistory

_ZONE = "fairwind:carbon:zone:"
_FLIGHT = "fairwind:carbon:flight:"
_CHANGES = "fairwind:carbon:changes"
_WANTED = "fairwind:carbon:wanted"

_FLIGHT_MS = 30_000
"""A process that died in a refresh holds its zones up no longer than this; one that takes longer
may be joined by a second, which asks again what the first has not shared yet."""

_LAND = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class ZoneHistories:
    """What all processes of the coordinator know of the grids; a `Signal` to those who read.

    Args:
        broker: The Redis they share.
    """

    name = "live"

    def __init__(self, broker: redis.Redis) -> None:
        self._broker = broker
        self._land = broker.register_script(_LAND)
        self._changes: bytes | None = b""
        self._has_news = False
        self._known: dict[str, ZoneHistory] = {}

    def renew(self) -> bool:
        """Forget what this process remembers if another has learned more; return whether so."""
        changes = self._broker.get(_CHANGES)
        if changes == self._changes and changes is not None:
            return False
        self._changes = changes  # type: ignore[assignment]
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
        """Fetch at once what this process does not remember of some zones."""
        self._known |= self.load(zone for zone in zones if zone not in self._known)

    def zones(self) -> tuple[str, ...]:
        """Return the ids of the zones there is a zone history of, sorted."""
        keys = self._broker.scan_iter(match=f"{_ZONE}*", count=1000)
        return tuple(sorted(key.decode().removeprefix(_ZONE) for key in keys))

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Return every reading known that overlaps `[start, end)`; see `Signal.readings`."""
        found = self.zone(zone).between(start, end)
        if (not found or found[-1].end < end) and self.renew():
            found = self.zone(zone).between(start, end)
        if not found:
            raise SignalError(self._nothing(zone, start))
        return found

    def load(self, zones: Iterable[str]) -> dict[str, ZoneHistory]:
        """Return the zone histories as they are in Redis; an empty one where there is none."""
        names = list(zones)
        bodies = self._broker.mget([_ZONE + name for name in names]) if names else []
        return {
            name: ZoneHistory.from_dict(json.loads(body)) if body else ZoneHistory(name)
            for name, body in zip(names, bodies, strict=True)
        }

    def save(self, histories: Mapping[str, ZoneHistory]) -> None:
        """Keep zone histories in Redis, and let every process know that something changed."""
        if not histories:
            return
        self._broker.mset(
            {
                _ZONE + zone: json.dumps(known.to_dict(), separators=(",", ":"))
                for zone, known in histories.items()
            }
        )
        self._broker.incr(_CHANGES)

    @contextmanager
    def flight(self, zones: Iterable[str]) -> Iterator[list[str]]:
        """Yield those of the zones that no other process refreshes meanwhile."""
        token = uuid.uuid4().hex
        mine = [
            zone
            for zone in sorted(set(zones))
            if self._broker.set(_FLIGHT + zone, token, nx=True, px=_FLIGHT_MS)
        ]
        try:
            yield mine
        finally:
            for zone in mine:
                self._land(keys=[_FLIGHT + zone], args=[token])

    def want(self, every_s: float) -> bool:
        """Return whether a refresh may be asked for: once in `every_s` wall seconds it may."""
        return bool(self._broker.set(_WANTED, b"1", nx=True, px=max(1, round(every_s * 1000))))

    def _nothing(self, zone: str, at: datetime) -> str:
        faults = "; ".join(f"{name}: {why}" for name, why in self.zone(zone).faults.items())
        return (
            f"Nothing is known of {zone} at {at:%Y-%m-%d %H:%M} UTC, so its carbon intensity is "
            f"unknown. {faults or 'No source has been asked yet.'} `fairwind signal` shows more."
        )
