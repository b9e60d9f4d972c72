"""The file guard: notices that a database's files are no longer those that were opened.

SQLite goes on in a file that was moved or deleted, where nobody else will ever see it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event as sa_event
from sqlalchemy.engine import Engine

from common.errors import LedgerMovedError

_GUARD = "file_guard"

Identity = tuple[int, int]
"""Device and inode: what distinguishes a file from a later one of the same name."""


class FileGuard:
    """Knows the file of a database, and the write-ahead log and index that lie beside it in use.

    Log and index are made when they are needed and deleted when the last process closes the
    database. So they are known from the moment at which they are first seen, until this process
    connects anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = [path.with_name(f"{path.name}-{end}") for end in ("wal", "shm")]
        self._known = {path: identity(path)}
        self._is_new = True

    def watch(self, engine: Engine) -> None:
        """Look whenever a connection is used, and again before anything is committed.

        The engine has a connection by now, which has read something.
        """
        self._is_new = False
        engine.update_execution_options(**{_GUARD: self})
        sa_event.listen(engine, "engine_connect", self.check)
        sa_event.listen(engine, "commit", self.check)

    @classmethod
    def of(cls, engine: Engine) -> FileGuard:
        """Return the guard that watches an engine."""
        guard: FileGuard = engine.get_execution_options()[_GUARD]
        return guard

    def connecting(self) -> None:
        """Look before a new connection; log and index are its own once it has read something.

        Raises:
            LedgerMovedError: If the file is not the one that is known.
        """
        self._known, self._is_new = {self._path: self._known[self._path]}, True
        self._compare(self._path)

    def check(self, *_: Any) -> None:
        """Look whether the files are those that are known.

        Raises:
            LedgerMovedError: If they are not.
        """
        self._compare(self._path)
        for path in () if self._is_new else self._beside:
            self._compare(path)
        self._is_new = False

    def _compare(self, path: Path) -> None:
        found = identity(path)
        if path in self._known and self._known[path] != found:
            raise LedgerMovedError(moved(self._path))
        if found is not None:
            self._known[path] = found


def identity(path: Path) -> Identity | None:
    """Return what distinguishes a file from a later one of the same name, if it is there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def moved(path: Path) -> str:
    """Return the sentence for a ledger that is not the one that was opened."""
    return (
        f"The ledger {path} was moved, deleted or replaced while it was in use, so this process "
        "neither reads it nor records anything in it any more. Put it back, or restore a back-up, "
        "and start the process again."
    )
