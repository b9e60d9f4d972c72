"""What every transport promises, and what is said where one cannot keep it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import redis

from common.errors import AlteredBytesError, TransportError
from common.log import get_logger
from common.messages import BlobRef

_log = get_logger(__name__)

CHUNK = 4 << 20
"""The most bytes that a transport yields at once: large enough to be fast, small for memory."""


class Transport(Protocol):
    """Holds bytes between sender and receiver."""

    def put(self, key: str, path: Path, sha256: str) -> BlobRef:
        """Offer a file's bytes under a key, replacing others; what is there already stays."""

    def chunks(self, ref: BlobRef, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of `ref` from number `start` on, in pieces.

        Raises:
            TransportError: If any are missing, or others are there.
        """

    def has(self, ref: BlobRef) -> bool:
        """Return whether all bytes of `ref` are still there."""

    def keep(self, ref: BlobRef) -> bool:
        """Return whether all bytes of `ref` are there; they wait as long as if they came now.

        Only who offers them may do so: sites must not have a say in how long a model is there.
        """

    def has_some(self, ref: BlobRef) -> bool:
        """Return whether some bytes of `ref` are there: a `put` would send the others alone."""

    def delete(self, ref: BlobRef) -> None:
        """Delete the bytes of `ref`, if they are there."""


def forget(transport: Transport, ref: BlobRef) -> None:
    """Delete bytes in flight that nobody needs any more; they expire where that fails."""
    try:
        transport.delete(ref)
    except (redis.RedisError, TransportError, OSError) as error:
        _log.warning("bytes.not_deleted", key=ref.key, reason=str(error))


def altered(ref: BlobRef) -> AlteredBytesError:
    """Return the error for bytes that are not what was promised."""
    return AlteredBytesError(
        f"The bytes under {ref.key} are not the {ref.nbytes} that were promised, so they are not "
        "used. They are fetched again; if it happens often, check the network and Redis."
    )


def missing(ref: BlobRef) -> TransportError:
    """Return the error for bytes that are not there."""
    return TransportError(
        f"The bytes under {ref.key} are gone, because Redis lost them or they expired, so they "
        "cannot be used. They are sent again."
    )
