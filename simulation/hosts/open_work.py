"""Which simulations are still wanted, and which of them must be sent, or sent again.

Pure: what was seen in Redis is an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

_UNSEEN_LOOKS = 2
"""Between a queue and its lease a simulation is nowhere to be seen, for milliseconds."""


@dataclass(slots=True)
class _Sent:
    unseen: int = 0
    was_leased: bool = False


@dataclass
class OpenWork:
    """The simulations without an outcome.

    Attributes:
        wanted: Their keys, in the order in which they are sent.
        deaths: By key, how often a worker that simulated it was gone without an answer.
        failures: By key, why each worker that tried could not simulate it.
    """

    wanted: dict[str, None]
    deaths: dict[str, int] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)
    _sent: dict[str, _Sent] = field(default_factory=dict)

    @classmethod
    def of(cls, keys: Iterable[str]) -> OpenWork:
        """Return the work that these keys are, nothing of it sent yet."""
        return cls(dict.fromkeys(keys))

    @property
    def sent(self) -> list[str]:
        """What was sent and has no answer."""
        return list(self._sent)

    def to_send(self, most: int) -> list[str]:
        """Return what is to be sent now, so that at most so many are on their way."""
        room = max(0, most - len(self._sent))
        return [key for key in self.wanted if key not in self._sent][:room]

    def note_sent(self, key: str) -> None:
        """Note that a simulation was sent."""
        self._sent[key] = _Sent()

    def note_done(self, key: str) -> bool:
        """Note an outcome; return whether it was still wanted: a second one is not."""
        self._sent.pop(key, None)
        if key not in self.wanted:
            return False
        del self.wanted[key]
        return True

    def note_failed(self, key: str, worker: str, reason: str) -> None:
        """Note that a worker could not simulate: it is sent again, for another one."""
        if key in self.wanted:
            self._sent.pop(key, None)
            self.failures.setdefault(key, {})[worker] = reason

    def note_lost(self, key: str) -> None:
        """Note that an outcome is gone before it was read: it is simulated again."""
        self._sent.pop(key, None)

    def note_emptied(self) -> None:
        """Note that Redis lost what it had: nothing that is gone says that a worker died."""
        for each in self._sent.values():
            each.was_leased = False

    def look(self, *, queued: Collection[str], leased: Collection[str]) -> None:
        """Compare what was sent with what is in Redis; what is nowhere twice is sent again.

        Args:
            queued: Keys that wait on the queue.
            leased: Keys that a worker simulates.
        """
        for key, each in list(self._sent.items()):
            if key in leased:
                each.unseen, each.was_leased = 0, True
            elif key in queued:
                each.unseen = 0
            else:
                each.unseen += 1
                if each.unseen >= _UNSEEN_LOOKS:
                    del self._sent[key]
                    if each.was_leased:
                        self.deaths[key] = self.deaths.get(key, 0) + 1

    def hopeless(self, workers: Collection[str], *, most_deaths: int) -> tuple[str, str] | None:
        """Return a key that cannot be simulated, and why; `None` if there is none.

        Args:
            workers: Those that are there: if all of them failed, nobody is left to try.
            most_deaths: After so many no other worker is risked.
        """
        for key, times in self.deaths.items():
            if key in self.wanted and times >= most_deaths:
                return key, f"{times} workers were gone while they simulated it."
        for key, reasons in self.failures.items():
            if key in self.wanted and workers and set(workers) <= reasons.keys():
                return key, next(iter(reasons.values()))
        return None
