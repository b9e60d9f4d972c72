"""Heads of a site's audit trail: signed by the site, kept beside it, and sent with each receipt."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from common.clock import wall_now
from common.log import get_logger
from common.trail_head import TrailHead, read_trail_heads
from tasks.site.trail_record import TrailRecord

if TYPE_CHECKING:
    from common.envelope import Signer  # which loads cryptography

_log = get_logger(__name__)


class TrailHeads:
    """The heads of one client's trail.

    Args:
        folder: Of the trail.
        client: Whose it is.
        signer: Signs them; `None` where messages are not signed.
    """

    def __init__(self, folder: Path, client: str, signer: Signer | None) -> None:
        self._folder = folder
        self._client = client
        self._signer = signer

    def sign(self, record: TrailRecord | None, *, at: datetime | None = None) -> TrailHead | None:
        """Return the head of a record, and keep it; `None` if there is no record.

        What cannot be kept here is sent all the same: the coordinator keeps it.
        """
        if record is None:
            return None
        head = self._signed(TrailHead(seq=record.seq, hash=record.hash, at=at or wall_now()))
        try:
            self._append(head)
        except OSError as error:
            _log.warning("trail_head.not_kept", reason=str(error))
        return head

    def _signed(self, head: TrailHead) -> TrailHead:
        if self._signer is None:
            return head
        from common.identity import canonical_json  # noqa: PLC0415 - few verbs load cryptography

        signature = self._signer.identity.sign(canonical_json(head.signed_text(self._client)))
        return head.model_copy(update={"signature": signature})

    def _append(self, head: TrailHead) -> None:
        path = self._folder / f"{head.at:%Y-%m}.heads"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, head.model_dump_json().encode() + b"\n")
        finally:
            os.close(descriptor)


def kept_heads(folder: Path) -> list[TrailHead]:
    """Return the heads that a site keeps beside its trail, oldest first.

    Raises:
        AuditError: If one cannot be read.
    """
    return [head for path in sorted(folder.glob("*.heads")) for head in read_trail_heads(path)]
