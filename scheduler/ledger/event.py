"""An event: one line of the ledger, and the chain of hashes that makes it hard to alter."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from common.errors import LedgerError
from scheduler.ledger.events import PAYLOADS, Payload

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Draft:
    """What happened, not yet written: an event without its place in the chain."""

    payload: Payload
    run: str = ""
    round: int = 0
    client: str = ""

    @property
    def kind(self) -> str:
        """The name of what happened."""
        return self.payload.kind


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, when (`at` on the wall clock, `grid_at` on the grid clock), and its hash."""

    seq: int
    at: datetime
    grid_at: datetime
    payload: Payload
    run: str
    round: int
    client: str
    prev_hash: str
    hash: str

    @property
    def kind(self) -> str:
        """The name of what happened."""
        return self.payload.kind


def canonical(payload: Payload) -> str:
    """Return JSON text that is the same for equal payloads: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: If a figure is not finite.
    """
    body = payload.model_dump(mode="json")
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_payload(seq: int, kind: str, body: str) -> Payload:
    """Return the payload that `canonical` wrote as `body`.

    Args:
        seq: The event's number, for the error.
        kind: The event's kind.
        body: As the ledger keeps it.

    Raises:
        LedgerError: If this version knows no such kind, or the body does not fit it.
    """
    made = PAYLOADS.get(kind)
    if made is None:
        msg = (
            f"Event {seq} of the ledger is of kind {kind!r}, which this version does not know, so "
            "the state after it cannot be reconstructed. Use the version that wrote it, or see "
            "with `fairwind ledger verify` whether it was altered."
        )
        raise LedgerError(msg)
    try:
        return made.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "its body"
        msg = (
            f"Event {seq} of the ledger ({kind}) does not fit its kind: {where}: {first['msg']}. "
            "The state after it cannot be reconstructed. See with `fairwind ledger verify` "
            "whether it was altered, and restore a back-up or use the version that wrote it."
        )
        raise LedgerError(msg) from error


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
