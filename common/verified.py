"""Large files that are named by their SHA-256, each read as a whole only once."""

from __future__ import annotations

from pathlib import Path

from common.files import file_sha256


class Verified:
    """The files of this process whose bytes were compared with their names."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, ...]] = {}

    def holds(self, path: Path, sha256: str) -> bool:
        """Return whether a file has the bytes of that name.

        It is read again only if it was replaced or written since.
        """
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        stamp = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
        if self._seen.get(path) != stamp:
            if file_sha256(path) != sha256:
                return False
            self._seen[path] = stamp
        return True
