"""A transaction: the exclusive right to append, and what is to be appended when it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Generic

from common.clock import GridClock
from scheduler.ledger.event import Draft, Event, canonical, chain_hash, read_payload, stamp
from scheduler.ledger.projection import S


class Transaction(Generic[S]):
    """An exclusive right to append.

    Attributes:
        state: The state before the transaction, as of the last event. Read it, never change it.
        at: When its events happen, on the wall clock.
        grid_at: The same instant on the grid clock.
    """

    def __init__(self, state: S, clock: GridClock, at: datetime) -> None:
        self.state = state
        self.at = at.astimezone(UTC)
        self.grid_at = clock.at(at)
        self._drafts: list[Draft] = []

    def append(self, *drafts: Draft) -> None:
        """Let `drafts` be written behind the last event when the transaction ends."""
        self._drafts += drafts

    def sealed(self) -> list[tuple[Event, str]]:
        """Return what was appended as events, each with the text of its body."""
        seq, head = self.state.seq, self.state.head
        sealed = []
        for draft in self._drafts:
            seq += 1
            event, body = self._seal(draft, seq, head)
            head = event.hash
            sealed.append((event, body))
        return sealed

    def _seal(self, draft: Draft, seq: int, prev: str) -> tuple[Event, str]:
        body = canonical(draft.payload)
        digest = chain_hash(
            prev, seq, stamp(self.at), stamp(self.grid_at), draft.kind, draft.run, draft.round,
            draft.client, body,
        )  # fmt: skip
        # The payload as every later reader will see it: its dicts come back sorted, for one.
        payload = read_payload(seq, draft.kind, body)
        event = Event(
            seq, self.at, self.grid_at, payload, draft.run, draft.round, draft.client,
            prev, digest,
        )  # fmt: skip
        return event, body
