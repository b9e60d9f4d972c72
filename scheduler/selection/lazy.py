"""A sequence whose items are made when they are read: rows of columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

Item = TypeVar("Item")


class Lazy(Sequence[Item]):
    """Items at places from 0; each reading makes a new one."""

    @abstractmethod
    def make(self, place: int) -> Item:
        """Return the item at a place that exists."""

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        """Return one item, or those of a slice."""
        places = range(len(self))
        if isinstance(place, slice):
            return [self.make(each) for each in places[place]]
        return self.make(places[place])
