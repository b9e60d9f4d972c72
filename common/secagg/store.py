"""What a site must remember of secure aggregation, on its own disk before anything is sent.

A record is written once. Records of one call are written together or not at all, and are on disk
when it returns, also after a power cut. Vectors are files beside them. Several processes of a site
may use one folder.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

from common.errors import EquivocationError, SecureAggregationError
from common.files import replace_synced, sync, write_chunks

Key = tuple[str, str]
"""The kind of a record, and its name."""

_SETUP = """
PRAGMA synchronous = EXTRA;
PRAGMA secure_delete = ON;
"""
_TABLE = """
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID
"""


class SecaggStore:
    """A folder that one site keeps for one purpose; nothing is opened between calls."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "records.sqlite"

    def get(self, kind: str, name: str) -> bytes | None:
        """Return a record; `None` if there is none."""
        with self._database() as database:
            return _value(database, (kind, name))

    def keep(self, records: Mapping[Key, bytes]) -> None:
        """Keep records for ever; those that are there already with the same value are left.

        Raises:
            EquivocationError: If one is there with another value. None of them is kept then.
            SecureAggregationError: If they could not be written.
        """
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            for key, value in records.items():
                found = _value(database, key)
                if found is not None and found != value:
                    database.execute("ROLLBACK")
                    raise EquivocationError(_contradiction(key))
                if found is None:
                    database.execute("INSERT INTO record VALUES (?, ?, ?)", (*key, value))
            database.execute("COMMIT")

    def forget(self, *keys: Key) -> None:
        """Delete records; their bytes are overwritten."""
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("DELETE FROM record WHERE kind = ? AND name = ?", keys)
            database.execute("COMMIT")

    def vector(self, name: str) -> Path:
        """Return where a vector is, or would be."""
        return self._folder / f"{name}.u32"

    def write_vector(self, name: str, chunks: Iterable[bytes]) -> str:
        """Write a vector so that a crash leaves the whole file or none; return its SHA-256."""
        path = self.vector(name)
        self._make_folder()
        partial = path.with_name(f".{path.name}.{uuid4().hex}")
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            digest = write_chunks(partial, chunks)
            replace_synced(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return digest

    def remove_vector(self, name: str) -> None:
        """Delete a vector, if there is one."""
        self.vector(name).unlink(missing_ok=True)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            self._make_folder()
            self._path.touch(mode=0o600)
            connected = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            with closing(connected) as database:
                database.executescript(_SETUP)
                database.execute(_TABLE)
                yield database
        except (sqlite3.Error, OSError) as error:
            msg = (
                f"The records of secure aggregation in {self._path} cannot be used ({error}), so "
                "this site sends nothing. Free some space, or restore the file; a folder that "
                "went back to an older state must not be used."
            )
            raise SecureAggregationError(msg) from error

    def _make_folder(self) -> None:
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync(self._folder.parent)


def _value(database: sqlite3.Connection, key: Key) -> bytes | None:
    found = database.execute("SELECT value FROM record WHERE kind = ? AND name = ?", key).fetchone()
    return None if found is None else bytes(found[0])


def _contradiction(key: Key) -> str:
    kind, name = key
    return (
        f"This site keeps the {kind} of {name[:40]} already, with another content, so it gave "
        "nothing away and answers only the first. Report it: the coordinator shows different "
        "sites different things, or two processes work on one state."
    )
