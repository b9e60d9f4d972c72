"""Files that must survive a crash, and the digests that name them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_chunks(path: Path, chunks: Iterable[bytes]) -> str:
    """Write chunks to a file, holding one at a time, and return the SHA-256 of all bytes.

    Each chunk is hashed while it is written: either takes about as long as the other.
    """
    digest = hashlib.sha256()
    with path.open("wb") as file, ThreadPoolExecutor(1) as thread:
        for chunk in chunks:
            hashed = thread.submit(digest.update, chunk)
            file.write(chunk)
            hashed.result()
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_synced(partial: Path, target: Path) -> None:
    """Move a complete file to its final name so that a crash leaves the old one or the new one."""
    sync(partial)
    partial.replace(target)
    sync(target.parent)
