"""A peek at the number of the last event, which is read before every step of a run."""

from __future__ import annotations

import sqlite3

from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool, PoolProxiedConnection

from scheduler.ledger.file_guard import FileGuard


class Peek:
    """A connection that stays open, and one statement that takes microseconds.

    To take a connection from SQLAlchemy and give it back takes fifty times as long.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: PoolProxiedConnection | None = None

    def last_seq(self) -> int | None:
        """Return the number of the last event; `None` where only a new connection can say it.

        Raises:
            LedgerMovedError: If the database's files are not those that were opened.
        """
        if isinstance(self._engine.pool, NullPool):  # each connection decides anew how it may open
            return None
        try:
            if self._kept is None:
                self._kept = self._engine.raw_connection()
            FileGuard.of(self._engine).check()
            cursor = self._kept.cursor()
            cursor.execute("SELECT max(seq) FROM events")
            ((seq,),) = cursor.fetchall()
            return int(seq or 0)
        except (sqlite3.Error, DatabaseError):
            self.close()
            return None

    def close(self) -> None:
        """Let go of the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
