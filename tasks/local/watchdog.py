"""Starts processes again that ended by themselves, at once or after a growing pause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from signal import Signals

from tasks.local.processes import Processes

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_STEADY_AFTER_S = 60.0
"""A process that lived for this long starts again after the first pause."""


@dataclass(frozen=True)
class Ended:
    """A process ended by itself; it is started again after a pause."""

    name: str
    status: int
    pause_s: float

    def __str__(self) -> str:
        """Say how it ended."""
        if self.status < 0:
            return f"was ended by {Signals(-self.status).name}"
        return f"ended with status {self.status}"


@dataclass(frozen=True)
class Restarted:
    """A process was started again."""

    name: str


@dataclass(frozen=True)
class _Record:
    started: float
    pause_s: float = _FIRST_PAUSE_S
    due: float | None = None


class Watchdog:
    """Watches processes. The pause doubles while a process keeps ending soon after its start."""

    def __init__(self, processes: Processes, now: Callable[[], float]) -> None:
        """Watch from now on.

        Args:
            processes: What to watch.
            now: A monotonic clock, wall seconds.
        """
        self._processes = processes
        self._now = now
        self._begun = now()
        self._records: dict[str, _Record] = {}

    def look(self) -> Iterator[Ended | Restarted]:
        """Yield what ended since the last look, and start again what is due."""
        for name, status in self._processes.ended().items():
            record = self._records.get(name, _Record(self._begun))
            now = self._now()
            if record.due is None:
                lived_s = now - record.started
                pause_s = _FIRST_PAUSE_S if lived_s >= _STEADY_AFTER_S else record.pause_s
                self._records[name] = replace(record, pause_s=pause_s, due=now + pause_s)
                yield Ended(name, status, pause_s)
            elif now >= record.due:
                self._processes.restart(name)
                pause_s = min(2 * record.pause_s, _LONGEST_PAUSE_S)
                self._records[name] = _Record(now, pause_s)
                yield Restarted(name)
