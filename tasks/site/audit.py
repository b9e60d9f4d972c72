"""Whether a site's audit trail is as it was written: the first record that is not, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from common.errors import AuditError, FairwindError
from common.trail_head import TrailHead
from tasks.site.entry import Pruned, Recovered
from tasks.site.trail_record import FIRST_PREVIOUS, TrailRecord, may_be_torn

Line = tuple[Path, int, bytes]
"""A line of the trail: its file, its number there, and its text with its end."""


@dataclass(frozen=True)
class Audit:
    """What was found in a trail.

    Attributes:
        first: Number of the first record; `None` if there is none.
        last: The last record that is as it was written.
        fault: What is wrong, as a sentence without its full stop; `None` if nothing is.
        recovered: Records behind which a killed process or a full disk left a torn line.
        torn_nbytes: What was left so behind the last record.
        heads: How many heads the trail leads to.
        signed_seq: Record of the last of them; `None` without any.
    """

    first: int | None = None
    last: TrailRecord | None = None
    fault: str | None = None
    recovered: tuple[int, ...] = ()
    torn_nbytes: int = 0
    heads: int = 0
    signed_seq: int | None = None


def audit(lines: Iterable[Line], heads: Sequence[TrailHead] = ()) -> Audit:
    """Return whether a trail is the one that was written.

    The chain alone shows what was altered, removed or reordered in its middle. What was cut off
    at its end, or written anew from some record on, only the heads show: see `TrailHead`.

    Args:
        lines: Of its files, in their order.
        heads: That it has to lead to, in any order.
    """
    reading = _Reading(wanted=frozenset(head.seq for head in heads))
    for path, number, line in lines:
        fault = reading.take(line, f"line {number} of {path.name}")
        if fault is not None:
            return reading.found(fault)
    fault = reading.end() or _contradiction(reading, heads)
    if fault is not None:
        return reading.found(fault)
    known = [head.seq for head in heads if head.seq >= (reading.first or 1)]
    return reading.found(None, heads=len(known), signed_seq=max(known, default=None))


def check_head_signatures(
    heads: Sequence[TrailHead], *, client: str, key: str | None, where: str
) -> None:
    """Refuse heads that the site did not sign: anybody could have made them up.

    Args:
        heads: As they were kept.
        client: Of the site.
        key: Its public key; `None` if it has none, and signs nothing.
        where: What holds them, for the error.

    Raises:
        AuditError: If there is one.
    """
    if key is None:
        return
    from common.identity import PublicKey, canonical_json  # noqa: PLC0415 - few verbs load cryptography

    for head in heads:
        try:
            PublicKey(key).verify(head.signature, canonical_json(head.signed_text(client)))
        except FairwindError:
            msg = (
                f"The head of record {head.seq} in {where} is not signed by {key}, the key of "
                f"{client}, so it proves nothing and the trail was not compared. If the site's key "
                "was changed since, name the old one: --key ed25519:..."
            )
            raise AuditError(msg) from None


@dataclass
class _Reading:
    """A trail as far as it was read."""

    wanted: frozenset[int]
    first: int | None = None
    last: TrailRecord | None = None
    hashes: dict[int, str] = field(default_factory=dict)
    _unread: list[bytes] = field(default_factory=list)
    _unread_at: str = ""
    _unread_ends: bool = False
    _recovered: list[int] = field(default_factory=list)
    _began: tuple[int, str] = (1, FIRST_PREVIOUS)
    _may_begin: set[tuple[int, str]] = field(default_factory=lambda: {(1, FIRST_PREVIOUS)})

    def take(self, line: bytes, where: str) -> str | None:
        """Take the next line, and return what is wrong with it."""
        text = line.removesuffix(b"\n")
        record = TrailRecord.parse(text)
        if record is None:
            self._unread_at = self._unread_at or where
            self._unread.append(text)
            self._unread_ends = text != line
            return None if may_be_torn(text) else self._altered()
        if not record.is_whole:
            return f"Record {record.seq} ({where}) was altered"
        fault = self._misplaced(record, where) or self._not_recovered(record)
        if fault is not None:
            return fault
        if self.first is None:
            self.first, self._began = record.seq, (record.seq, record.previous)
        self.last = record
        if record.seq in self.wanted:
            self.hashes[record.seq] = record.hash
        if b'"kind":"pruned"' in record.entry:
            entry = record.read()
            if isinstance(entry, Pruned):
                self._may_begin.add((entry.first_seq, entry.first_previous))
        return None

    def end(self) -> str | None:
        """Return what is wrong with the trail as a whole."""
        if self._unread and self._unread_ends:
            return self._altered()
        if self._began not in self._may_begin:
            return f"Records 1 to {self._began[0] - 1} are missing: the beginning was cut off"
        return None

    def found(self, fault: str | None, **more: int | None) -> Audit:
        """Return what was found."""
        fields = {"heads": 0, "signed_seq": None} | more
        return Audit(
            first=self.first, last=self.last, fault=fault, recovered=tuple(self._recovered),
            torn_nbytes=sum(map(len, self._unread)), heads=fields["heads"] or 0,
            signed_seq=fields["signed_seq"],
        )  # fmt: skip

    def _misplaced(self, record: TrailRecord, where: str) -> str | None:
        last = self.last
        if last is None:
            return None
        if record.seq > last.seq + 1:
            gone = f"Record {last.seq + 1} is"
            if record.seq > last.seq + 2:
                gone = f"Records {last.seq + 1} to {record.seq - 1} are"
            return f"{gone} missing before {where}"
        if record.seq <= last.seq:
            return f"Record {record.seq} ({where}) is not in its place: it follows {last.seq}"
        if record.previous != last.hash:
            return f"Record {last.seq} is not the one that record {record.seq} ({where}) follows"
        return None

    def _not_recovered(self, record: TrailRecord) -> str | None:
        """Return what is wrong where lines before a record were none, or should have been."""
        if not self._unread and b'"kind":"recovered"' not in record.entry:
            return None
        try:
            entry = record.read()
        except ValidationError:
            return self._altered()
        if not isinstance(entry, Recovered):
            return self._altered() if self._unread else None
        torn = b"\n".join(self._unread)
        if hashlib.sha256(torn).hexdigest() != entry.torn_sha256:
            return f"What record {record.seq} says was left torn before it was altered"
        self._recovered.append(record.seq)
        self._unread, self._unread_at = [], ""
        return None

    def _altered(self) -> str:
        after = f" after record {self.last.seq}" if self.last else ""
        return f"{self._unread_at.capitalize()}{after} is no record: it was altered or put there"


def _contradiction(reading: _Reading, heads: Iterable[TrailHead]) -> str | None:
    agreed = 0
    last = reading.last.seq if reading.last else 0
    for head in sorted(heads, key=lambda each: each.seq):
        signed = f"the head of record {head.seq}, {head.at:%Y-%m-%d %H:%M} UTC"
        if head.seq < (reading.first or 1):
            continue  # deleted when its time was over
        if head.seq > last:
            return f"Records {last + 1} to {head.seq} are missing: the end was cut off ({signed})"
        if reading.hashes[head.seq] != head.hash:
            begun = max(agreed + 1, reading.first or 1)
            return (
                f"Records {begun} to {head.seq} were written anew after they were signed ({signed})"
            )
        agreed = head.seq
    return None
