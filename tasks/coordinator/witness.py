"""The coordinator's side of the ledger's witness: sign its head, and keep what was signed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from common.clock import wall_now
from common.identity import Identity, canonical_json
from common.ledger_head import LedgerHead, append_head
from common.log import get_logger
from scheduler.federation.opening import FederationLedger

_log = get_logger(__name__)


class Witness:
    """Signs the head of a ledger.

    Args:
        ledger: The ledger.
        file: Keeps the heads.
        key_file: The coordinator's private key; where there is none, heads are not signed.
    """

    def __init__(self, ledger: FederationLedger, file: Path, *, key_file: Path) -> None:
        self._ledger = ledger
        self._file = file
        self._key_file = key_file
        self._last: LedgerHead | None = None

    def sign(self) -> LedgerHead | None:
        """Return the head as of the last event, which the file then has; `None` without events."""
        state = self._ledger.state()
        if not state.seq or self._first is None:
            return None
        if self._last is None or self._last.seq != state.seq:
            self._last = self._signed(
                LedgerHead(ledger=self._first, seq=state.seq, hash=state.head, at=wall_now())
            )
            try:
                append_head(self._file, self._last)
            except OSError as error:  # the sites have it, and the next one is tried again
                _log.warning("head.not_written", reason=str(error))
        return self._last

    def _signed(self, head: LedgerHead) -> LedgerHead:
        if self._identity is None:
            return head
        signature = self._identity.sign(canonical_json(head.signed_text()))
        return head.model_copy(update={"key": self._identity.public.text, "signature": signature})

    @cached_property
    def _first(self) -> str | None:
        return self._ledger.hash_of(1)

    @cached_property
    def _identity(self) -> Identity | None:
        return Identity.load(self._key_file) if self._key_file.exists() else None
