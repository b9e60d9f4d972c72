"""The closed rounds of a run as policies see them, each made when it is looked at.

A run of thousands of rounds keeps most of them in the archive. A policy that looks at the last few,
or at how many updates each client had, reads hardly any of those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, overload


@dataclass(frozen=True, slots=True)
class PastUpdate:
    """One client's counted update of a closed round; `None` is unknown."""

    utility: float | None
    duration_s: float
    gco2eq: float | None


@dataclass(frozen=True, slots=True)
class PastRound:
    """A closed round of the run: its number, when it was planned, its updates, its length.

    Times are on the grid clock.
    """

    number: int
    planned_at: datetime
    updates: Mapping[str, PastUpdate]
    hours: float = 0.0


class PastRounds(Sequence[PastRound]):
    """Past rounds that are made from others when they are looked at.

    Attributes:
        num_updates: By client, how many updates all of them hold.
    """

    def __init__(
        self,
        closed: Sequence[Any],
        made: Callable[[Any], PastRound],
        *,
        num_updates: Mapping[str, int],
    ) -> None:
        self._closed = closed
        self._made = made
        self.num_updates = num_updates

    def __len__(self) -> int:
        return len(self._closed)

    def __iter__(self) -> Iterator[PastRound]:
        return map(self._made, self._closed)

    @overload
    def __getitem__(self, place: int) -> PastRound: ...

    @overload
    def __getitem__(self, place: slice) -> list[PastRound]: ...

    def __getitem__(self, place: int | slice) -> PastRound | list[PastRound]:
        if isinstance(place, slice):
            return [*map(self._made, self._closed[place])]
        return self._made(self._closed[place])


def newest(
    past: Sequence[PastRound],
    clients: Iterable[str],
    *,
    counts: Callable[[PastUpdate], bool] = lambda _update: True,
) -> dict[str, tuple[PastRound, PastUpdate]]:
    """Return the newest update of each client in these rounds, with its round.

    No more rounds are looked at than that takes: those before the oldest of these are not.

    Args:
        past: The rounds, oldest first.
        clients: Whose.
        counts: Whether an update is one of those to look for.
    """
    left = set(clients) & num_updates(past).keys()
    found: dict[str, tuple[PastRound, PastUpdate]] = {}
    for done in reversed(past) if left else ():
        for client in left & done.updates.keys():
            if counts(done.updates[client]):
                found[client] = done, done.updates[client]
        left -= found.keys()
        if not left:
            break
    return found


def has_utility(update: PastUpdate) -> bool:
    """Return whether the utility of an update is known."""
    return update.utility is not None


def num_updates(past: Sequence[PastRound]) -> Mapping[str, int]:
    """Return how many updates each client had in these rounds; clients without any are absent."""
    if isinstance(past, PastRounds):
        return past.num_updates
    return Counter(chain.from_iterable(each.updates for each in past))
