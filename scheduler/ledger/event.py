"""An event: one line of the ledger, and the chain of hashes that makes it hard to alter.

Kinds, by subject::

    client.enrolled  client.retired  client.joined  client.silent
    gate.changed     grid.read        grid.caught_up  grid.settled
    signal.fell_back signal.recovered
    run.started      run.opened      run.stop_requested   run.ended     run.waiting
    round.planned    round.committed round.closed         round.evaluated
    assignment.reissued  assignment.declined  assignment.failed  assignment.given_up
    update.accepted  update.late  update.duplicate  update.conflicting  update.refused
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Draft:
    """What happened, not yet written: an event without its place in the chain."""

    kind: str
    run: str = ""
    round: int = 0
    client: str = ""
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, when (`at` on the wall clock, `grid_at` on the grid clock), and its hash."""

    seq: int
    at: datetime
    grid_at: datetime
    kind: str
    run: str
    round: int
    client: str
    body: dict[str, Any]
    prev_hash: str
    hash: str


def canonical(body: dict[str, Any]) -> str:
    """Return JSON text that is the same for equal bodies: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: If a value is not JSON or not finite.
    """
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def stamp(at: datetime) -> str:
    """Return `at` in UTC as fixed-width ISO 8601 text, so that text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def chain_hash(prev_hash: str, *columns: str | int) -> str:
    """Return the SHA-256 over an event's columns and the hash of the event before it.

    Args:
        prev_hash: The hash of the event before.
        *columns: Number, both times, kind, run, round, client and body, as the table holds them.
    """
    return hashlib.sha256("\n".join([prev_hash, *map(str, columns)]).encode()).hexdigest()
