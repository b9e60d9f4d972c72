"""Files that must survive a crash, and the digests that name them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from common.errors import SettingError


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_chunks(path: Path, chunks: Iterable[bytes]) -> str:
    """Write chunks to a file, holding a few at a time, and return the SHA-256 of all bytes.

    They are hashed while they are written: either takes about as long as the other.
    """
    digest = hashlib.sha256()
    with path.open("wb") as file, ThreadPoolExecutor(1) as thread:
        for some in _grouped(chunks):
            if len(some) == 1:  # a small file, for which a thread would take longer
                digest.update(some[0])
                file.write(some[0])
                continue
            hashed = thread.submit(_hash_all, digest, some)
            file.writelines(some)
            hashed.result()
    return digest.hexdigest()


_GROUP_NBYTES = 1 << 20
"""Chunks that are written and hashed together: starting a thread's work takes time, too."""


def _grouped(chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
    some, nbytes = [], 0
    for chunk in chunks:
        some.append(chunk)
        nbytes += len(chunk)
        if nbytes >= _GROUP_NBYTES:
            yield some
            some, nbytes = [], 0
    if some:
        yield some


def _hash_all(digest: hashlib._Hash, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        digest.update(chunk)


def check_writable(folder: Path, *, setting: str) -> None:
    """Check that files can be kept in a folder, which is made if need be.

    Args:
        folder: Where; a small file without a name is written there.
        setting: The setting that names the folder, for the error.

    Raises:
        SettingError: If none can be kept there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_NBYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        msg = (
            f"Nothing can be kept in {folder} ({error.strerror}), so no work could be done. Free "
            f"some space, let this user write there, or set {setting} to another folder."
        )
        raise SettingError(msg) from None


_PROBE_NBYTES = 1 << 16
"""More than what a full disk may still take in the room of a file's last block."""


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def syncing(path: Path) -> Iterator[None]:
    """Wait until a file is on disk while the block reads it; it is there when the block has ended.

    A small one takes less time than a thread does.
    """
    if path.stat().st_size < _GROUP_NBYTES:
        yield
        sync(path)
        return
    with ThreadPoolExecutor(1) as thread:
        synced = thread.submit(sync, path)
        yield
        synced.result()


def replace_synced(partial: Path, target: Path) -> None:
    """Move a complete file to its final name so that a crash leaves the old one or the new one."""
    sync(partial)
    partial.replace(target)
    sync(target.parent)
