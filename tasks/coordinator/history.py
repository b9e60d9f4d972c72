"""The engine's history in production: the ledger."""

from __future__ import annotations

from scheduler.federation.federation import Federation
from scheduler.federation.opening import FederationLedger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.selection.verdict import Verdicts
from scheduler.selection.verdict_blob import keep_verdicts
from tasks.coordinator.event_log import log_event


class LedgerHistory:
    """Appends to the ledger, if nobody else did since the state was read, and to the log."""

    def __init__(self, ledger: FederationLedger, blobs: Blobs) -> None:
        self._ledger = ledger
        self._blobs = blobs

    @property
    def state(self) -> Federation:
        """The federation as of the last event."""
        return self._ledger.state()

    def append(self, *drafts: Draft, after: int) -> bool:
        """Append drafts as one transaction, if event number `after` is still the last one."""
        with self._ledger.transaction() as tx:
            if tx.state.seq != after:
                return False
            tx.append(*drafts)
        for draft in drafts:
            log_event(draft)
        return True

    def keep_verdicts(self, verdicts: Verdicts) -> str | None:
        """Keep a plan's verdicts in a blob, and return its name."""
        return keep_verdicts(self._blobs, verdicts)
