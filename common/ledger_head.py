"""The head of a ledger: the hash that all its events up to one lead to, as others keep it.

S. Haber, W. S. Stornetta, "How to Time-Stamp a Digital Document", Journal of Cryptology 3, 1991,
https://doi.org/10.1007/BF00196791: who holds the hash of a chain can show later that the chain was
altered before it. A file of heads has one in JSON a line, oldest first.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from common.errors import LedgerError
from common.message import Message

_HASH = r"^[0-9a-f]{64}$"


class LedgerHead(Message):
    """A head, as the coordinator signed it.

    `ledger` is the hash of the ledger's first event, which names it. `seq` and `hash` are those of
    its last event `at` a time on the coordinator's wall clock. `key` is the public key that checks
    `signature`; both are empty where the federation has no keys.
    """

    ledger: str = Field(pattern=_HASH)
    seq: int = Field(ge=1, lt=2**53)
    hash: str = Field(pattern=_HASH)
    at: AwareDatetime
    key: str = Field(default="", max_length=64)
    signature: str = Field(default="", max_length=128)

    def signed_text(self) -> dict[str, str | int]:
        """Return what is signed, for `canonical_json`."""
        return {
            "type": "fairwind.ledger.head", "ledger": self.ledger, "seq": self.seq,
            "hash": self.hash, "at": self.at.isoformat(),
        }  # fmt: skip


def append_head(path: Path, head: LedgerHead) -> LedgerHead | None:
    """Append a head to a file of heads, and return the one that was the last.

    A head that is the last one already is not written again.

    Raises:
        OSError: If it could not be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        end = os.pread(descriptor, _TAIL_NBYTES, max(0, size - _TAIL_NBYTES))
        last = _last(end)
        if last is None or (last.ledger, last.seq, last.hash) != (head.ledger, head.seq, head.hash):
            torn = b"\n" if end and not end.endswith(b"\n") else b""
            os.write(descriptor, torn + head.model_dump_json().encode() + b"\n")
    finally:
        os.close(descriptor)
    return last


def read_heads(path: Path) -> list[LedgerHead]:
    """Return the heads in a file, oldest first; a line that a killed process left torn is skipped.

    Raises:
        LedgerError: If it cannot be read, or a line of it is no head.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        msg = (
            f"The heads in {path} cannot be read ({error.strerror}), so the ledger was not "
            "compared with them. Name a file that a coordinator or a site keeps."
        )
        raise LedgerError(msg) from None
    heads = []
    for number, line in enumerate(lines, start=1):
        try:
            heads += [LedgerHead.model_validate_json(line)] if line else []
        except ValidationError:
            if _is_torn(line):
                continue
            msg = (
                f"Line {number} of {path} is no head of a ledger, so the file was not compared. "
                "Name a file that a coordinator or a site keeps."
            )
            raise LedgerError(msg) from None
    return heads


_TAIL_NBYTES = 4096
"""Several lines: a head has about 350 bytes."""


def _last(end: bytes) -> LedgerHead | None:
    for line in reversed(end.split(b"\n")):
        try:
            return LedgerHead.model_validate_json(line)
        except ValidationError:
            continue
    return None


def _is_torn(line: bytes) -> bool:
    return line.startswith(b'{"ledger":') and not line.endswith(b"}")
