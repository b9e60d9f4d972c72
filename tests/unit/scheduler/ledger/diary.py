"""A small state folded from events, so that tests of the ledger need no federation."""

import hashlib
import json
from collections.abc import Iterable
from typing import ClassVar

from scheduler.ledger.archive import Archive
from scheduler.ledger.event import GENESIS, Event
from scheduler.ledger.projection import Projection

PAGE = 5


class Diary:
    """Notes every event's client; every five of them go into the archive."""

    applied: ClassVar[list[int]] = []
    """The numbers of all events that were folded, into whichever state."""

    def __init__(self, archive: Archive | None = None) -> None:
        self.seq = 0
        self.head = GENESIS
        self.archive = archive or Archive()
        self.pages: list[str] = []
        self.notes: list[str] = []

    def archived(self) -> Iterable[str]:
        return self.pages

    def all_notes(self) -> list[str]:
        old = [note for page in self.pages for note in json.loads(self.archive.get(page))]
        return old + self.notes


def _apply(state: Diary, event: Event) -> None:
    if event.client == "unfoldable":
        msg = "no state follows from this"
        raise RuntimeError(msg)
    if event.client == "looks back":
        state.all_notes()
    state.applied.append(event.seq)
    state.seq, state.head = event.seq, event.hash
    state.notes.append(event.client)
    if len(state.notes) == PAGE:
        state.pages.append(state.archive.put(json.dumps(state.notes).encode()))
        state.notes.clear()


def _dump(state: Diary) -> bytes:
    return json.dumps([state.seq, state.head, state.pages, state.notes]).encode()


def _load(text: bytes, archive: Archive) -> Diary:
    state = Diary(archive)
    state.seq, state.head, state.pages, state.notes = json.loads(text)
    return state


def diary(code: str = "1") -> Projection[Diary]:
    """Return the projection, as if folded by this code."""
    return Projection(
        new=Diary, apply=_apply, dump=_dump, load=_load,
        code=lambda: hashlib.sha256(code.encode()).hexdigest(),
    )  # fmt: skip
