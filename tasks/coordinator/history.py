"""The engine's history in production: the ledger."""

from __future__ import annotations

from common.disk import writing_to
from scheduler.federation.federation import Federation
from scheduler.federation.opening import FederationLedger
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.selection.verdict import Verdicts
from scheduler.selection.verdict_blob import keep_verdicts
from tasks.coordinator.event_log import log_event
from tasks.coordinator.witness import Witness

_WITNESSED = frozenset({"round.closed", "run.ended"})
"""Events after which the head is signed, beside every time that assignments are sent."""


class LedgerHistory:
    """Appends to the ledger, if nobody else did since the state was read, and to the log."""

    def __init__(self, ledger: FederationLedger, blobs: Blobs, witness: Witness) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._witness = witness

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
        if any(draft.kind in _WITNESSED for draft in drafts):
            self._witness.sign()
        return True

    def keep_verdicts(self, verdicts: Verdicts) -> str | None:
        """Keep a plan's verdicts in a blob, and return its name."""
        with writing_to(self._blobs.folder, "a plan's verdicts"):
            return keep_verdicts(self._blobs, verdicts)
