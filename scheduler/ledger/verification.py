"""Verification: recompute the chain of hashes from the first event on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from scheduler.ledger.event import GENESIS, chain_hash
from scheduler.ledger.table import Row


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: events read, and the first one that does not fit, if any.

    Attributes:
        events: How many were read.
        head: The hash that they lead to.
        broken_at: The first one that does not fit those before it.
        hashes: Of the events that were asked for, as far as they were read.
    """

    events: int
    head: str
    broken_at: int | None
    hashes: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SnapshotCheck:
    """Which event a snapshot is of, and what is wrong with it, if anything."""

    seq: int
    fault: str | None


def verify_chain(rows: Iterable[Row], wanted: Collection[int] = ()) -> Verification:
    """Recompute the whole chain of hashes over all rows of the table, in order.

    Args:
        rows: The rows.
        wanted: Numbers of events whose hashes are returned.
    """
    head, count = GENESIS, 0
    hashes: dict[int, str] = {}
    for row in rows:
        count += 1
        digest = chain_hash(
            head, row.seq, row.at, row.grid_at, row.kind, row.run, row.round, row.client, row.body
        )
        if row.seq != count or row.prev_hash != head or row.hash != digest:
            return Verification(count, head, broken_at=count, hashes=hashes)
        head = digest
        if count in wanted:
            hashes[count] = head
    return Verification(count, head, broken_at=None, hashes=hashes)
