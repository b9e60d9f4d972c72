"""The head of a site's audit trail: the hash that all its records up to one lead to.

A site signs it and sends it with each receipt, so that the coordinator holds it, too: records that
the site's administrator alters or removes afterwards no longer lead there. See `ledger_head`, the
same the other way round. A file of heads has one in JSON a line.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from common.bounds import Instant
from common.errors import AuditError
from common.message import Message


class TrailHead(Message):
    """A head, as its site signed it.

    `seq` and `hash` are those of the trail's last record `at` a time on the site's wall clock.
    `signature` is by the site's key; empty where the federation has no keys.
    """

    seq: int = Field(ge=1, lt=2**53)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    at: Instant
    signature: str = Field(default="", max_length=128)

    def signed_text(self, client: str) -> dict[str, str | int]:
        """Return what the site of a client signs, for `canonical_json`."""
        return {
            "type": "fairwind.trail.head", "client": client, "seq": self.seq, "hash": self.hash,
            "at": self.at.isoformat(),
        }  # fmt: skip


def read_trail_heads(path: Path) -> list[TrailHead]:
    """Return the heads in a file, oldest first; a last line that is torn is skipped.

    Raises:
        AuditError: If it cannot be read, or a line of it is no head.
    """
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        msg = (
            f"The heads in {path} cannot be read ({error.strerror}), so the trail was not compared "
            "with them. Name a file that `fairwind ledger trails` has printed."
        )
        raise AuditError(msg) from None
    heads = []
    whole = [*lines, rest] if rest.endswith(b"}") else lines
    for number, line in enumerate(whole, start=1):
        try:
            heads += [TrailHead.model_validate_json(line)] if line else []
        except ValidationError:
            msg = (
                f"Line {number} of {path} is no head of an audit trail, so the trail was not "
                "compared. Name a file that `fairwind ledger trails` has printed."
            )
            raise AuditError(msg) from None
    return heads
