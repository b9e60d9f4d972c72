"""Our own store of bytes: files named by their SHA-256, on disk before any event names them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from common.files import file_sha256, replace_synced, sync, write_chunks


class Blobs:
    """A folder of immutable files, ``ab/abcdef...``, each named by the SHA-256 of its bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def incoming(self) -> Path:
        """Where bytes are written before they are blobs; a reader never needs it."""
        incoming = self._folder / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        return incoming

    def path(self, sha256: str) -> Path:
        """Return where the blob of that name is or would be."""
        return self._folder / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Return whether the blob is here."""
        return self.path(sha256).exists()

    def receive(self, chunks: Iterable[bytes]) -> tuple[Path, str]:
        """Write chunks to a file that is not yet a blob; return its path and SHA-256.

        Memory stays at one chunk. Follow up with `keep` or unlink the file.
        """
        path = self.incoming / uuid4().hex
        try:
            return path, write_chunks(path, chunks)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def keep(self, path: Path, sha256: str | None = None) -> str:
        """Make a file of `incoming` a blob, synced to disk, and return its name.

        Args:
            path: The file; it is moved.
            sha256: Its digest, where already known; it is computed otherwise.
        """
        name = sha256 or file_sha256(path)
        target = self.path(name)
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            sync(self._folder)
        replace_synced(path, target)
        return name

    def put(self, data: bytes) -> str:
        """Make bytes a blob, synced to disk, and return its name."""
        return self.keep(*self.receive([data]))

    def read(self, sha256: str) -> bytes | None:
        """Return the bytes of a small blob, `None` if it is not here."""
        try:
            return self.path(sha256).read_bytes()
        except FileNotFoundError:
            return None

    def names(self) -> set[str]:
        """Return the names of all blobs."""
        return {path.name for path in self._folder.glob("??/*")}

    def remove(self, sha256: str) -> int:
        """Delete a blob and return how many bytes that freed."""
        path = self.path(sha256)
        nbytes = path.stat().st_size
        path.unlink()
        return nbytes
