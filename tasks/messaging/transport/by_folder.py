"""A shared folder as a transport, e.g. on one host or by NFS."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from common.errors import TransportError
from common.files import file_sha256
from common.messages import BlobRef
from tasks.messaging.transport.claim import CHUNK, missing


class FolderTransport:
    """Bytes as files in a folder that coordinator and sites share."""

    def __init__(self, folder: Path, ttl_s: int) -> None:
        self._folder = folder
        self._ttl_s = ttl_s
        folder.mkdir(parents=True, exist_ok=True)
        # Whoever may use the folder may use what is in it: other hosts may have other users.
        self._mode = stat.S_IMODE(folder.stat().st_mode)

    def put(self, key: str, path: Path, sha256: str) -> BlobRef:
        """Offer a file's bytes; see `Transport.put`."""
        self._sweep()
        ref = BlobRef(key=key, sha256=sha256, nbytes=path.stat().st_size)
        target = self._path(key)
        if self.has_some(ref):
            os.utime(target)  # kept as long as if it had come just now
            return ref
        self._make_folder(target.parent)
        partial = target.with_name(f"{target.name}.{os.getpid()}.part")
        shutil.copyfile(path, partial)
        partial.chmod(self._mode & 0o666)
        partial.replace(target)
        return ref

    def chunks(self, ref: BlobRef, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes; see `Transport.chunks`."""
        try:
            with self._path(ref.key).open("rb") as file:
                file.seek(start)
                while chunk := file.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise missing(ref) from None

    def has(self, ref: BlobRef) -> bool:
        """Return whether all bytes are there."""
        return self._path(ref.key).exists()

    def keep(self, ref: BlobRef) -> bool:
        """Return whether all bytes are there, and let them wait anew; see `Transport.keep`."""
        with suppress(FileNotFoundError):
            os.utime(self._path(ref.key))
            return True
        return False

    def has_some(self, ref: BlobRef) -> bool:
        """Return whether the bytes are there: a file comes whole."""
        return self.has(ref) and file_sha256(self._path(ref.key)) == ref.sha256

    def delete(self, ref: BlobRef) -> None:
        """Delete the bytes."""
        self._path(ref.key).unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        if folder == self._folder or folder.is_dir():
            return
        self._make_folder(folder.parent)
        with suppress(FileExistsError):  # another process made it just now
            folder.mkdir()
            folder.chmod(self._mode)

    def _sweep(self) -> None:
        """Remove what was not fetched in time.

        Time is that of the folder: of several hosts that share it, one's clock may be wrong.
        """
        mark = self._folder / f"{uuid4().hex}.part"
        mark.touch()
        oldest = mark.stat().st_mtime - self._ttl_s
        mark.unlink()
        for path in self._folder.rglob("*"):
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        path = (self._folder / key).resolve()
        if self._folder.resolve() not in path.parents:
            msg = f"The key {key!r} leaves the transport folder, so it is not followed."
            raise TransportError(msg)
        return path
