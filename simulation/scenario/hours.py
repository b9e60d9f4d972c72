"""When a client is there: by the hours of the day, or coming and going by chance."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from random import Random

_DAY_MIN = 24 * 60

_WINDOW = re.compile(r"(\d\d)(?::(\d\d))?-(\d\d)(?::(\d\d))?")


def minutes_of(window: str) -> tuple[int, int]:
    """Return begin and end of a window in minutes since midnight, UTC.

    Raises:
        ValueError: If it is not like 22-06 or 22:30-06:00.

    >>> minutes_of("22-06:30")
    (1320, 390)
    """
    found = _WINDOW.fullmatch(window)
    numbers = [int(text or 0) for text in found.groups()] if found else []
    if not numbers or max(numbers[::2]) > 24 or max(numbers[1::2]) > 59:  # noqa: PLR2004
        msg = f"{window!r} is no window of hours: write it like 22-06, UTC"
        raise ValueError(msg)
    return numbers[0] * 60 + numbers[1], min(numbers[2] * 60 + numbers[3], _DAY_MIN)


class Hours:
    """When one client is there.

    Args:
        is_on: Whether it is at first.
        switches: The instants at which that changes, ascending; may have no end.
    """

    def __init__(self, switches: Iterator[datetime] = iter(()), *, is_on: bool = True) -> None:  # noqa: B008
        self._on_at_first = is_on
        self._switches = switches
        self._known: list[datetime] = []

    def is_on(self, at: datetime) -> bool:
        """Return whether the client is there at an instant."""
        self._know_beyond(at)
        return self._on_at_first != bool(bisect_right(self._known, at) % 2)

    def next_switch(self, after: datetime) -> datetime | None:
        """Return the first instant behind `after` at which it comes or goes; `None` if never."""
        self._know_beyond(after)
        place = bisect_right(self._known, after)
        return self._known[place] if place < len(self._known) else None

    def next_on(self, at: datetime) -> datetime | None:
        """Return `at` if it is there, else when it comes; `None` if never."""
        return at if self.is_on(at) else self.next_switch(at)

    def on_since(self, at: datetime) -> datetime | None:
        """Return since when it has been there without a break; `None` if from the first.

        Args:
            at: An instant at which it is there.
        """
        self._know_beyond(at)
        place = bisect_right(self._known, at)
        return self._known[place - 1] if place else None

    def on_spans(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the spans in which it is there, within `[start, end]`."""
        at = self.next_on(start)
        while at is not None and at < end:
            left = self.next_switch(at)
            yield at, end if left is None else min(left, end)
            at = None if left is None else self.next_switch(left)

    def _know_beyond(self, at: datetime) -> None:
        while not self._known or self._known[-1] <= at:
            more = list(islice(self._switches, 16))
            if not more:
                return
            self._known += more


def daily(windows: tuple[str, ...], start: datetime) -> Hours:
    """Return the hours of a client that is there in windows of the day, from `start` on."""
    there = [False] * _DAY_MIN
    for first, last in map(minutes_of, windows):
        spans = [(first, last)] if first < last else [(first, _DAY_MIN), (0, last)]
        for begin, end in spans:
            there[begin:end] = [True] * (end - begin)
    changes = [minute for minute in range(_DAY_MIN) if there[minute] != there[minute - 1]]
    midnight = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    times = (
        midnight + timedelta(days=day, minutes=minute) for day in count() for minute in changes
    )
    now = (start - midnight) // timedelta(minutes=1)
    later = (time for time in times if time > start) if changes else iter(())
    return Hours(later, is_on=there[now])


def by_chance(on_h: float, off_h: float, *, start: datetime, rng: Random) -> Hours:
    """Return the hours of a client that comes and goes: both spans are exponential.

    Args:
        on_h: Mean hours it is there at a time.
        off_h: Mean hours it is away at a time.
        start: From when on.
        rng: Its own, read on as time passes.
    """
    is_on = rng.random() < on_h / (on_h + off_h)

    def switches() -> Iterator[datetime]:
        time, on = start, is_on
        while True:
            time += timedelta(hours=rng.expovariate(1 / (on_h if on else off_h)))
            on = not on
            yield time

    return Hours(switches(), is_on=is_on)
