"""A record of a site's audit trail: an entry in one line of JSON, chained to the line before it.

    {"seq":7,"previous":"5f…","entry":{"kind":"sent",…},"hash":"c1…"}

`hash` is the SHA-256 of the line's text up to ``,"hash"``; `previous` is the hash of the record
before, 64 zeros for the first. So the text itself is hashed, and any tool can check it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from tasks.site.entry import ENTRY, Entry

FIRST_PREVIOUS = "0" * 64
"""What the first record of all follows."""

_LINE = re.compile(
    rb'\{"seq":([1-9]\d{0,17}),"previous":"([0-9a-f]{64})","entry":(\{.*\}),"hash":"([0-9a-f]{64})"\}'
)

_COMPLETE = re.compile(rb',"hash":"[0-9a-f]{64}"\}')
"""What no beginning of a record holds: texts in an entry have their quotes escaped."""


@dataclass(frozen=True, slots=True)
class TrailRecord:
    """A record as its line has it. `entry` is JSON."""

    seq: int
    previous: str
    entry: bytes
    hash: str

    @classmethod
    def parse(cls, line: bytes) -> TrailRecord | None:
        """Return the record in a line, without its end; `None` if it is none."""
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        seq, previous, entry, digest = found.groups()
        return cls(int(seq), previous.decode(), entry, digest.decode())

    @classmethod
    def after(cls, before: TrailRecord | None, entry: Entry) -> TrailRecord:
        """Return the record of an entry that follows another record, or none."""
        seq = before.seq + 1 if before else 1
        previous = before.hash if before else FIRST_PREVIOUS
        text = entry.model_dump_json().encode()
        return cls(seq, previous, text, _hash_of(seq, previous, text))

    @property
    def line(self) -> bytes:
        """The line, with its end."""
        return _hashed(self.seq, self.previous, self.entry) + f',"hash":"{self.hash}"}}\n'.encode()

    @property
    def is_whole(self) -> bool:
        """Whether the record is as it was written."""
        return self.hash == _hash_of(self.seq, self.previous, self.entry)

    def read(self) -> Entry:
        """Return the entry.

        Raises:
            ValidationError: If it is none of this version.
        """
        return ENTRY.validate_json(self.entry)


def may_be_torn(line: bytes) -> bool:
    """Return whether a line may be the beginning of a record whose writing was cut short."""
    return _COMPLETE.search(line) is None


def _hashed(seq: int, previous: str, entry: bytes) -> bytes:
    return f'{{"seq":{seq},"previous":"{previous}","entry":'.encode() + entry


def _hash_of(seq: int, previous: str, entry: bytes) -> str:
    return hashlib.sha256(_hashed(seq, previous, entry)).hexdigest()
