"""A projection: a state folded from the events, one after the other.

The ledger keeps events and knows nothing of what they mean. Whoever opens it says which state it
folds them into, and how that state becomes the text of a snapshot and comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from scheduler.ledger.archive import Archive
from scheduler.ledger.event import Event


class Folded(Protocol):
    """A state folded from the events so far.

    Attributes:
        seq: The number of the last event in it, 0 before the first.
        head: That event's hash.
        archive: Holds the parts of it that are seldom needed.
    """

    seq: int
    head: str
    archive: Archive

    def archived(self) -> Iterable[str]:
        """Return the names of everything in the archive that the state refers to."""


S = TypeVar("S", bound=Folded)


@dataclass(frozen=True, slots=True)
class Projection(Generic[S]):
    """What the ledger has to know of a state.

    Attributes:
        new: Returns the state before the first event.
        apply: Folds the next event into a state.
        dump: Returns a state as text, but for what is in its archive. Equal states, equal texts.
        load: Returns the state that `dump` made the text of, with that archive.
        code: Returns a digest of the code that folds and dumps: snapshots of other code are not
            trusted.
    """

    new: Callable[[], S]
    apply: Callable[[S, Event], None]
    dump: Callable[[S], bytes]
    load: Callable[[bytes, Archive], S]
    code: Callable[[], str]
