"""The witness of a ledger: heads that were signed and kept elsewhere, and what they prove.

The chain of hashes alone shows nothing to somebody who doubts whoever keeps the ledger: one who
changes an event can compute every hash after it anew, or cut off the end. Heads that sites keep
on their own disks cannot be changed with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from common.errors import FairwindError, LedgerError
from common.identity import PublicKey, canonical_json
from common.ledger_head import LedgerHead
from scheduler.ledger.verification import Verification


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Events that are not what a head says: the first and the last that may have been altered.

    Attributes:
        first: Behind the last event on which all heads agree.
        last: The event of the head that disagrees; the ledger may not have it any more.
        head: That head.
        what: What follows "events 3 to 7:".
    """

    first: int
    last: int
    head: LedgerHead
    what: str

    def __str__(self) -> str:
        """Return it as a sentence, without its full stop."""
        one = self.first == self.last
        events = f"Event {self.last}" if one else f"Events {self.first} to {self.last}"
        signed = f"the head of event {self.last}, {self.head.at:%Y-%m-%d %H:%M} UTC"
        return f"{events}: {self.what} ({signed})"


def first_disagreement(found: Verification, heads: Iterable[LedgerHead]) -> Disagreement | None:
    """Return where a ledger first differs from the heads that were kept; `None` if nowhere.

    Args:
        found: What was found in the ledger, with the hashes of the heads' events.
        heads: As they were kept, in any order.
    """
    agreed = 0
    for head in sorted(heads, key=lambda each: each.seq):
        if found.broken_at is not None and head.seq >= found.broken_at:
            return None  # the chain itself is broken before
        if found.hashes.get(1) != head.ledger:
            return Disagreement(1, 1, head, "altered, or of another ledger")
        if head.seq > found.events:
            return Disagreement(found.events + 1, head.seq, head, "missing: the end was cut off")
        if found.hashes.get(head.seq) != head.hash:
            return Disagreement(agreed + 1, head.seq, head, "altered after they were signed")
        agreed = head.seq
    return None


def wanted_seqs(heads: Iterable[LedgerHead]) -> frozenset[int]:
    """Return the numbers of the events whose hashes heads are compared with."""
    return frozenset({1, *(head.seq for head in heads)})


def check_signatures(heads: Sequence[LedgerHead], keys: Collection[str], *, where: str) -> None:
    """Refuse heads that the coordinator did not sign: anybody could have made them up.

    Args:
        heads: As they were kept.
        keys: The coordinator's public keys; without any, a signature must be that of the head's.
        where: What holds them, for the error.

    Raises:
        LedgerError: If there is one.
    """
    for number, head in enumerate(heads, start=1):
        if not head.key and not keys:
            continue  # of a federation without keys
        if keys and head.key not in keys:
            by = f"signed by {head.key}" if head.key else "not signed"
            raise LedgerError(_unbelieved(number, where, f"is {by}, not by the coordinator's key"))
        try:
            PublicKey(head.key).verify(head.signature, canonical_json(head.signed_text()))
        except FairwindError:
            raise LedgerError(_unbelieved(number, where, "bears no valid signature")) from None


def _unbelieved(number: int, where: str, why: str) -> str:
    return (
        f"Head {number} of {where} {why}, so the file proves nothing and the ledger was not "
        "compared with it. Ask its owner for the file as the site's worker wrote it; if the "
        "coordinator's key was changed, name the old one, too: --key ed25519:..."
    )
