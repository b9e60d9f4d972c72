"""Frozen parts on their way to sites: offered to those that may not have them, and then no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from common.errors import BlobError
from common.keys import blob_key
from common.messages import BlobRef, Receipt
from scheduler.federation.round import AssignmentState
from scheduler.federation.run import Run
from scheduler.ledger.blobs import Blobs
from tasks.coordinator.meanwhile import checking
from tasks.messaging.transport import Transport, forget


class FrozenParts:
    """Puts a frozen part into the transport while a site has to pull it.

    Which sites have it is this process's memory alone. A site that was thought to have it and does
    not fails with ``model_missing``; its assignment is issued again, and then the part is offered.
    """

    def __init__(self, transport: Transport, blobs: Blobs) -> None:
        self._transport = transport
        self._blobs = blobs
        self._of_run: dict[str, str] = {}
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._wanted: defaultdict[str, set[str]] = defaultdict(set)

    def offer(self, run: Run, parts: Sequence[AssignmentState]) -> BlobRef | None:
        """Return the claim check of a run's frozen part, `None` if it has none.

        Its bytes wait in the transport if one of these assignments may need them.

        Raises:
            BlobError: If they are missing here, or were altered.
        """
        name = run.frozen
        if name is None:
            return None
        ref = frozen_ref(self._blobs, name)
        self._of_run[run.id] = name
        wanting = {p.client for p in parts if p.attempt or p.client not in self._held[name]}
        self._wanted[name] |= wanting
        if wanting and not self._transport.keep(ref):
            self._put(ref)
        return ref

    def _put(self, ref: BlobRef) -> None:
        try:
            with checking(lambda: self._blobs.whole(ref.sha256)):
                self._transport.put(ref.key, self._blobs.path(ref.sha256), ref.sha256)
        except BlobError:
            forget(self._transport, ref)  # what was put there is not the frozen part
            raise

    def settled(self, receipt: Receipt) -> None:
        """Note who has a frozen part, and forget its bytes in flight once all have it."""
        name = self._of_run.get(receipt.run)
        if name is None or receipt.outcome in {"declined", "failed"}:
            return
        self._held[name].add(receipt.client)
        if receipt.client in self._wanted[name]:
            self._wanted[name].discard(receipt.client)
            if not self._wanted[name]:
                forget(self._transport, frozen_ref(self._blobs, name))


def frozen_ref(blobs: Blobs, name: str) -> BlobRef:
    """Return the claim check of a frozen part.

    Raises:
        BlobError: If it is missing.
    """
    return BlobRef(key=blob_key("frozen", name), sha256=name, nbytes=blobs.nbytes(name))
