"""The journal of a simulation: what happened, folded into the federation as in production."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from scheduler.federation.federation import Federation
from scheduler.federation.fold import apply
from scheduler.federation.opening import FederationLedger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft, Event
from scheduler.selection.verdict import Verdicts
from scheduler.selection.verdict_blob import keep_verdicts


class Journal(Protocol):
    """Where events go, and the federation folded from them."""

    @property
    def keeps(self) -> bool:
        """Whether events can be read again, so that they must be complete."""

    @property
    def state(self) -> Federation:
        """The federation as of the last event."""

    def record(self, at: datetime, *drafts: Draft) -> None:
        """Note what happened at an instant of both clocks."""

    def keep_verdicts(self, verdicts: Verdicts) -> str | None:
        """Keep a plan's verdicts, and return the name of their blob; `None` if it keeps none."""


class Memory:
    """Folds events and forgets them: no text, no hashes, no disk."""

    keeps = False

    def __init__(self) -> None:
        self.state = Federation()

    def record(self, at: datetime, *drafts: Draft) -> None:
        """Note what happened at an instant of both clocks."""
        for d in drafts:
            seq = self.state.seq + 1
            apply(self.state, Event(seq, at, at, d.payload, d.run, d.round, d.client, "", ""))

    def keep_verdicts(self, verdicts: Verdicts) -> None:
        """Keep none."""


class OnDisk:
    """Writes a ledger that every command reads, and its blobs."""

    keeps = True

    def __init__(self, ledger: FederationLedger, blobs: Blobs) -> None:
        self._ledger = ledger
        self._blobs = blobs

    @property
    def state(self) -> Federation:
        """The federation as of the last event."""
        return self._ledger.state()

    def record(self, at: datetime, *drafts: Draft) -> None:
        """Note what happened at an instant of both clocks."""
        if drafts:
            with self._ledger.transaction(at=at) as tx:
                tx.append(*drafts)

    def keep_verdicts(self, verdicts: Verdicts) -> str:
        """Keep a plan's verdicts, and return the name of their blob."""
        return keep_verdicts(self._blobs, verdicts)
