"""Our own store of bytes: files named by their SHA-256, on disk before any event names them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal
from uuid import uuid4

from common.errors import BlobError
from common.file_lock import try_lock
from common.files import file_sha256, replace_synced, sync, syncing, write_chunks

Fault = Literal["missing", "altered"]
"""What may be wrong with a blob."""


class Blobs:
    """A folder of immutable files, ``ab/abcdef...``, each named by the SHA-256 of its bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nbytes: dict[str, int] = {}

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self._folder

    @cached_property
    def incoming(self) -> Path:
        """Where workspaces are: bytes that are not blobs yet; a reader never needs it."""
        incoming = self._folder / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        return incoming

    def path(self, sha256: str) -> Path:
        """Return where the blob of that name is or would be."""
        return self._folder / sha256[:2] / sha256

    def fault(self, sha256: str) -> Fault | None:
        """Return what is wrong with a blob: all of it is read and compared with its name.

        Raises:
            OSError: If it is there and cannot be read.
        """
        try:
            return None if file_sha256(self.path(sha256)) == sha256 else "altered"
        except FileNotFoundError:
            return "missing"

    def whole(self, sha256: str) -> Path:
        """Return where a blob is, once its bytes were compared with its name.

        Raises:
            BlobError: If it is missing or was altered.
        """
        fault = self.fault(sha256)
        if fault is not None:
            raise BlobError(self._text(sha256, fault))
        return self.path(sha256)

    def _text(self, sha256: str, fault: Fault) -> str:
        what = "is missing" if fault == "missing" else "was altered"
        return (
            f"The blob {self.path(sha256)} {what}, so what needs it cannot go on. Make it again "
            "with `fairwind ledger replay --repair`, or restore it from a back-up."
        )

    def nbytes(self, sha256: str) -> int:
        """Return the size of a blob; it is remembered, since a blob never changes.

        Raises:
            BlobError: If it is missing.
        """
        if sha256 not in self._nbytes:
            try:
                self._nbytes[sha256] = self.path(sha256).stat().st_size
            except FileNotFoundError:
                raise BlobError(self._text(sha256, "missing")) from None
        return self._nbytes[sha256]

    def has(self, sha256: str) -> bool:
        """Return whether the blob is here."""
        return self.path(sha256).exists()

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Yield a new folder for files that are not blobs yet, and remove it with what is left.

        It is locked meanwhile, so that `sweep` knows that it is in use.
        """
        folder, descriptor = self._new_workspace()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)

    def _new_workspace(self) -> tuple[Path, int]:
        while True:
            folder = self.incoming / uuid4().hex
            folder.mkdir()
            try:
                descriptor = os.open(folder, os.O_RDONLY)
            except FileNotFoundError:  # a sweep came in between
                continue
            if try_lock(descriptor) and folder.exists():
                return folder, descriptor
            os.close(descriptor)

    def sweep(self) -> int:
        """Remove what killed processes left in `incoming`; return how many files and folders.

        What a living process uses is locked, and stays.

        Raises:
            OSError: If the folder cannot be read.
        """
        swept = 0
        for path in list(self.incoming.iterdir()):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            except OSError:  # another process has removed it, or it is not ours to read
                continue
            try:
                if not try_lock(descriptor):
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
                swept += 1
            finally:
                os.close(descriptor)
        return swept

    def keep(self, path: Path, sha256: str | None = None) -> str:
        """Make a file of a `workspace` a blob, synced to disk, and return its name.

        Args:
            path: The file; it is moved.
            sha256: Its digest, where already known; it is computed otherwise.
        """
        if sha256 is None:
            with syncing(path):
                sha256 = file_sha256(path)
        target = self.path(sha256)
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            sync(self._folder)
        replace_synced(path, target)
        return sha256

    def put(self, data: bytes) -> str:
        """Make bytes a blob, synced to disk, and return its name."""
        with self.workspace() as folder:
            path = folder / "blob"
            return self.keep(path, write_chunks(path, [data]))

    def read(self, sha256: str) -> bytes | None:
        """Return the bytes of a small blob, `None` if it is not here, or was altered."""
        try:
            data = self.path(sha256).read_bytes()
        except FileNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def names(self) -> set[str]:
        """Return the names of all blobs."""
        return {path.name for path in self._folder.glob("??/*")}

    def remove(self, sha256: str) -> int:
        """Delete a blob and return how many bytes that freed."""
        path = self.path(sha256)
        nbytes = path.stat().st_size
        path.unlink()
        return nbytes
