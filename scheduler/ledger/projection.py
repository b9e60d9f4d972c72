"""A projection: a state folded from the events, one after the other.

The ledger keeps events and knows nothing of what they mean. Whoever opens it says which state it
folds them into.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from scheduler.ledger.event import Event


class Folded(Protocol):
    """A state folded from the events so far.

    Attributes:
        seq: The number of the last event in it, 0 before the first.
        head: That event's hash.
    """

    seq: int
    head: str


S = TypeVar("S", bound=Folded)


@dataclass(frozen=True, slots=True)
class Projection(Generic[S]):
    """What the ledger has to know of a state.

    Attributes:
        new: Returns the state before the first event.
        apply: Folds the next event into a state.
    """

    new: Callable[[], S]
    apply: Callable[[S, Event], None]
