"""The messages that were taken already: a small SQLite file beside what they led to.

Nonces are kept until their message expires. Of one issuer so many are kept at most; when older ones
are dropped, messages issued before them are not taken any more.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from common.envelope import CLOCK_TOLERANCE, Header
from common.log import get_logger

MOST_OF_ONE_ISSUER = 20_000

_SWEEP_EVERY = 500

_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS taken (
    issuer TEXT NOT NULL, nonce TEXT NOT NULL, issued_s REAL NOT NULL, expires_s REAL NOT NULL,
    PRIMARY KEY (issuer, nonce)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS floor (issuer TEXT PRIMARY KEY, issued_s REAL NOT NULL);
"""

_log = get_logger(__name__)


class Nonces:
    """Which messages were taken, on disk: a restart forgets none. Safe in many processes."""

    def __init__(self, path: Path, *, most: int = MOST_OF_ONE_ISSUER) -> None:
        """Prepare to look; nothing is opened yet, so a process may be forked.

        Args:
            path: The file; it need not exist, its folder must.
            most: Nonces of one issuer that are kept.
        """
        self._path = path
        self._most = most
        self._opened: sqlite3.Connection | None = None
        self._added = 0

    def taken(self, header: Header) -> bool:
        """Return whether a message was taken before, or is older than what is remembered."""
        try:
            row = self._database().execute(
                "SELECT 1 FROM taken WHERE issuer = ? AND nonce = ? "
                "UNION ALL SELECT 1 FROM floor WHERE issuer = ? AND issued_s >= ?",
                (header.issuer, header.nonce, header.issuer, header.issued_at.timestamp()),
            )
            return row.fetchone() is not None
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return False

    def take(self, header: Header, now: datetime) -> None:
        """Remember that a message was taken. On a full disk it is not: the ledger is safe anyway.

        Args:
            header: Of the message, verified.
            now: Our wall clock, by which expired nonces are forgotten.
        """
        expires = header.not_after + 2 * CLOCK_TOLERANCE
        row = (
            header.issuer, header.nonce, header.issued_at.timestamp(), expires.timestamp(),
        )  # fmt: skip
        try:
            database = self._database()
            with database:
                database.execute("INSERT OR IGNORE INTO taken VALUES (?, ?, ?, ?)", row)
                if self._added % _SWEEP_EVERY == 0:
                    self._sweep(database, now)
                self._added += 1
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            self._path.touch(mode=0o600)
            self._opened = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
            self._opened.executescript(_TABLES)
        return self._opened

    def _sweep(self, database: sqlite3.Connection, now: datetime) -> None:
        """Forget what has expired, and the oldest of issuers that have too many."""
        database.execute("DELETE FROM taken WHERE expires_s < ?", (now.timestamp(),))
        many = "SELECT issuer FROM taken GROUP BY issuer HAVING count(*) > ?"
        for (issuer,) in database.execute(many, (self._most,)).fetchall():
            with closing(
                database.execute(
                    "SELECT issued_s FROM taken WHERE issuer = ? "
                    "ORDER BY issued_s DESC LIMIT 1 OFFSET ?",
                    (issuer, self._most),
                )
            ) as found:
                (floor_s,) = found.fetchone()
            database.execute("INSERT OR REPLACE INTO floor VALUES (?, ?)", (issuer, floor_s))
            database.execute(
                "DELETE FROM taken WHERE issuer = ? AND issued_s <= ?", (issuer, floor_s)
            )

    def _failed(self, error: Exception) -> None:
        _log.warning("nonces.not_kept", path=str(self._path), reason=str(error))
        self.close()
