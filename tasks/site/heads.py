"""Heads of the coordinator's ledger, kept at the site: the coordinator cannot change them here."""

from __future__ import annotations

from datetime import timedelta

from common.ledger_head import LedgerHead, append_head
from common.log import get_logger
from tasks.site.site_files import SiteFiles

_log = get_logger(__name__)


def keep_head(files: SiteFiles, head: LedgerHead | None) -> None:
    """Keep the head that came with an assignment, and log where it contradicts the one before.

    Work goes on either way: whoever audits the federation compares the file with the ledger.
    """
    if head is None:
        return
    try:
        last = append_head(files.heads / f"{head.ledger[:16]}.jsonl", head)
    except OSError as error:
        _log.warning("head.not_kept", reason=str(error))
        return
    if last is not None and _contradicts(last, head):
        _log.warning(
            "ledger.contradicts_itself", kept_seq=last.seq, kept_hash=last.hash, seq=head.seq,
            hash=head.hash, consequence="the coordinator's ledger was cut or rewritten",
            remedy="ask its administrator; fairwind ledger verify --heads FILE compares",
        )  # fmt: skip


def _contradicts(before: LedgerHead, now: LedgerHead) -> bool:
    if now.seq == before.seq:
        return now.hash != before.hash
    return now.seq < before.seq and now.at - before.at > _OVERTAKEN_WITHIN


_OVERTAKEN_WITHIN = timedelta(minutes=1)
"""Assignments of two processes may overtake each other; this long, none does."""
