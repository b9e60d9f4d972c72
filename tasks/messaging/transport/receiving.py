"""Receiving bytes: checked against what was promised, and kept where they come slowly."""

from __future__ import annotations

import hashlib
import mmap
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from common.errors import TransportError
from common.log import get_logger
from common.messages import BlobRef
from tasks.messaging.transport.claim import Transport, altered, forget

_log = get_logger(__name__)

_KEEP_EVERY_S = 5.0
"""A process that is killed loses no more of a slow transfer; a fast one never touches the disk."""


def fetch(transport: Transport, ref: BlobRef, folder: Path | None = None) -> memoryview:
    """Return the bytes of `ref`, checked against its SHA-256. Altered ones are deleted.

    Args:
        transport: Where they wait.
        ref: What they must be.
        folder: Where those of an unfinished transfer are kept; the next attempt goes on from them.

    Raises:
        TransportError: If bytes are missing or altered.
    """
    unfinished = Unfinished(folder, ref) if folder else None
    begun = filled = unfinished.nbytes if unfinished else 0
    chunks = received(transport, ref, start=begun)
    first = next(chunks, b"")  # no room is made for what is not there, whatever size it claims
    data, digest = _reserved(ref.nbytes), hashlib.sha256()
    if unfinished:
        unfinished.read_into(data)
    digest.update(data[:filled])
    try:
        for chunk in chain((first,), chunks):
            digest.update(chunk)
            data[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
            if unfinished:
                unfinished.keep(data, filled)
    except BaseException:
        if unfinished:
            unfinished.keep(data, filled, now=True)
        raise
    if unfinished:
        unfinished.forget()
    if digest.hexdigest() == ref.sha256:
        return data
    if begun:  # the fault may lie in what was kept
        return fetch(transport, ref)
    forget(transport, ref)
    raise altered(ref)


def _reserved(nbytes: int) -> memoryview:
    """Return fresh memory, in huge pages where the system has them.

    The first touch of each small page takes longer than to receive what goes into it.

    Raises:
        MemoryError: If there is not so much.
    """
    try:
        memory = mmap.mmap(-1, max(nbytes, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError) as error:
        msg = f"{nbytes} bytes are more than there is room for"
        raise MemoryError(msg) from error
    if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(memory)[:nbytes]


def received(transport: Transport, ref: BlobRef, *, start: int = 0) -> Iterator[bytes]:
    """Yield the bytes of `ref` in pieces.

    Raises:
        TransportError: If bytes are missing, or more come than were promised.
    """
    total = start
    for chunk in transport.chunks(ref, start):
        total += len(chunk)
        if total > ref.nbytes:
            raise altered(ref)
        yield chunk


def intact(transport: Transport, ref: BlobRef) -> bool:
    """Return whether all bytes of `ref` are there, and are what was promised."""
    digest = hashlib.sha256()
    try:
        for chunk in received(transport, ref):
            digest.update(chunk)
    except TransportError:
        return False
    return digest.hexdigest() == ref.sha256


class Unfinished:
    """The beginning of a blob, in a folder that keeps one at most.

    Attributes:
        nbytes: How much of it an earlier transfer kept.
    """

    def __init__(self, folder: Path, ref: BlobRef) -> None:
        self._path = folder / f"{ref.sha256}.part"
        self.nbytes = min(self._path.stat().st_size, ref.nbytes) if self._path.exists() else 0
        self._kept, self._kept_at = self.nbytes, time.monotonic()
        for path in folder.glob("*.part"):
            if path != self._path:
                path.unlink(missing_ok=True)

    def read_into(self, data: memoryview) -> None:
        """Fill the beginning of `data` with what an earlier transfer kept."""
        if self.nbytes:
            with self._path.open("rb") as file:
                file.readinto(data[: self.nbytes])

    def keep(self, data: memoryview, filled: int, *, now: bool = False) -> None:
        """Keep the first `filled` bytes, if there was time since the last ones, or `now`."""
        waited_s = time.monotonic() - self._kept_at
        if filled == self._kept or (waited_s < _KEEP_EVERY_S and not now):
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("r+b" if self._kept else "wb") as file:
                file.seek(self._kept)
                file.write(data[self._kept : filled])
        except OSError as error:  # a full disk must not end a transfer
            _log.warning("transfer.not_kept", reason=str(error))
            return
        self._kept, self._kept_at = filled, time.monotonic()

    def forget(self) -> None:
        """Remove what was kept."""
        self._path.unlink(missing_ok=True)
