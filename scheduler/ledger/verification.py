"""Verification: recompute the chain of hashes from the first event on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.ledger.event import GENESIS, chain_hash
from scheduler.ledger.table import Row


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: events read, and the first one that does not fit, if any."""

    events: int
    head: str
    broken_at: int | None


@dataclass(frozen=True, slots=True)
class SnapshotCheck:
    """Which event a snapshot is of, and what is wrong with it, if anything."""

    seq: int
    fault: str | None


def verify_chain(rows: Iterable[Row]) -> Verification:
    """Recompute the whole chain of hashes over all rows of the table, in order."""
    head, count = GENESIS, 0
    for row in rows:
        count += 1
        digest = chain_hash(
            head, row.seq, row.at, row.grid_at, row.kind, row.run, row.round, row.client, row.body
        )
        if row.seq != count or row.prev_hash != head or row.hash != digest:
            return Verification(count, head, broken_at=count)
        head = digest
    return Verification(count, head, broken_at=None)
