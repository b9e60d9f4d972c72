"""The database: where the ledger is, and opening it to append or only to read.

Only those that append create tables and take the write lock. Readers open the file read-only, so
they work while another process appends, on a read-only file and in a read-only folder.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.engine import Connection, Engine, make_url

from common.errors import LedgerError, SettingError
from common.private_files import close_tree
from common.settings import without_password
from scheduler.ledger.file_guard import FileGuard, identity
from scheduler.ledger.table import SCHEMA_VERSION, meta, metadata

_BUSY_MS = 30_000
"""How long one that appends waits for another one."""


def open_to_append(url: str, *, create: bool) -> Engine:
    """Open the database for events to be appended; `create` makes one where there is none.

    Raises:
        SettingError: If the URL is not of SQLite, the only database supported so far.
        LedgerError: If there is none, it cannot be opened, or it has another schema version.
    """
    path = sqlite_path(url)
    if not create:
        _refuse_absent(path)
    _refuse_second(path)
    _make_folder(path.parent)
    _make_file(path)
    guard = FileGuard(path)
    engine = sa.create_engine(url, creator=lambda: _connect_to_append(path, guard))
    sa_event.listen(engine, "connect", _prepare_appending)
    sa_event.listen(engine, "begin", _begin_immediately)
    try:
        with engine.begin() as connection:
            metadata.create_all(connection)
            _check_version(connection, path, create=True)
    except LedgerError:
        engine.dispose()
        raise
    except sa.exc.DatabaseError as error:
        engine.dispose()
        msg = (
            f"The ledger {path} cannot be opened: {error.orig}. Nothing was changed. Check that "
            "it is an SQLite file on a local disk that you may write, or restore a back-up."
        )
        raise LedgerError(msg) from error
    guard.watch(engine)
    return engine


def open_to_read(url: str) -> Engine:
    """Open the database for events to be read. Nothing is written and no write lock is taken.

    Raises:
        SettingError: If the URL is not of SQLite, the only database supported so far.
        LedgerError: If there is none, it cannot be opened, or it has another schema version.
    """
    path = sqlite_path(url)
    _refuse_absent(path)
    guard = FileGuard(path)
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: _connect_to_read(path, guard),
        # In a folder that cannot be written each connection decides anew how it may open the file.
        poolclass=sa.pool.QueuePool if _may_write(path.parent) else sa.pool.NullPool,
    )
    try:
        with engine.connect() as connection:
            _check_version(connection, path, create=False)
    except LedgerError:
        engine.dispose()
        raise
    except sa.exc.DatabaseError as error:
        engine.dispose()
        msg = (
            f"The ledger {path} cannot be read: {error.orig}. Check that it is an SQLite file that "
            "you may read; copy one that is in use with sqlite3's .backup, or restore a back-up."
        )
        raise LedgerError(msg) from error
    guard.watch(engine)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that takes no lock: each statement sees one state of the database.

    Raises:
        LedgerError: If it cannot be read: it was damaged, or its disk fails.
    """
    try:
        with engine.connect().execution_options(reading=True) as connection:
            yield connection
    except sa.exc.DatabaseError as error:
        msg = (
            f"The ledger cannot be read: {error.orig}. Nothing was changed. See whether its disk "
            "is whole, and restore a back-up if the file was damaged."
        )
        raise LedgerError(msg) from error


def sqlite_path(url: str) -> Path:
    """Return the file that an SQLAlchemy URL names.

    Raises:
        SettingError: If the URL is not of SQLite, the only database supported so far.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() != "sqlite" or not parsed.database:
        msg = (
            f"FAIRWIND_LEDGER_URL={without_password(url)!r} is not an SQLite file, the only "
            "ledger this version keeps. Nothing was started. Write sqlite:////absolute/path/ledger.sqlite."
        )
        raise SettingError(msg)
    return Path(parsed.database)


def file_identity(url: str) -> tuple[int, int] | None:
    """Return what distinguishes a database file from a later one of the same name, if it is there.

    Where it is not, opening it says what is wrong.
    """
    try:
        return identity(sqlite_path(url))
    except SettingError:
        return None


def snapshots_folder(url: str) -> Path:
    """Return the folder beside the database in which its snapshots are."""
    path = sqlite_path(url)
    return path.with_name(f"{path.name}.snapshots")


def heads_file(url: str) -> Path:
    """Return the file beside the database with the heads that were signed."""
    path = sqlite_path(url)
    return path.with_name(f"{path.name}.heads")


def _refuse_absent(path: Path) -> None:
    if not path.exists():
        _refuse_second(path)
        msg = (
            f"There is no ledger at {path}, so there is nothing to show. Enrol a client first "
            "(`fairwind enroll`), or point FAIRWIND_HOME at the coordinator's folder."
        )
        raise LedgerError(msg)


def _refuse_second(path: Path) -> None:
    """Refuse to begin a ledger where another one was.

    Raises:
        LedgerError: If there is none, or an empty file, beside what belongs to one.
    """
    if path.exists() and path.stat().st_size:
        return
    beside = (path.with_name(f"{path.name}{end}") for end in ("-wal", ".snapshots", ".heads"))
    traces = (*beside, *(path.parent / "blobs").glob("??"))
    found = next((trace for trace in traces if trace.exists()), None)
    if found is not None:
        msg = (
            f"There is no ledger at {path}, but {found} belongs to one that was moved or deleted. "
            "Nothing was started: another ledger would begin with nothing. Put it back, or restore "
            "a back-up; for a new federation, set FAIRWIND_HOME to another folder."
        )
        raise LedgerError(msg)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = (
            f"The ledger's folder {folder} cannot be made ({error.strerror}), so there is no "
            "ledger. Let FAIRWIND_HOME name a folder on a local disk that you may write."
        )
        raise LedgerError(msg) from error


def _make_file(path: Path) -> None:
    """Make the file here and nowhere else: a connection that finds none makes no other."""
    try:
        path.touch(mode=0o600)
        for end in ("", "-wal", "-shm"):  # SQLite makes the last two as open as it finds the first
            close_tree(path.with_name(f"{path.name}{end}"))
    except OSError as error:
        msg = (
            f"The ledger {path} cannot be opened: {error.strerror}. Nothing was changed. Let it be "
            "a file on a local disk that you may write."
        )
        raise LedgerError(msg) from error


def _connect_to_append(path: Path, guard: FileGuard) -> sqlite3.Connection:
    guard.connecting()
    uri = f"file:{quote(str(path.resolve()))}?mode=rw"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


def _prepare_appending(connection: sqlite3.Connection, _record: object) -> None:
    # sqlite3 would begin transactions by itself, deferred; ours begin in _begin_immediately.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    cursor.close()


def _begin_immediately(connection: Connection) -> None:
    if not connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _connect_to_read(path: Path, guard: FileGuard) -> sqlite3.Connection:
    guard.connecting()
    # Reading a write-ahead log needs a shared index file. Where it can be neither found nor made,
    # the log is empty, and the file itself holds everything and does not change.
    log = path.with_name(f"{path.name}-wal")
    settled = not _may_write(path.parent) and not (log.exists() and log.stat().st_size)
    uri = f"file:{quote(str(path.resolve()))}?mode=ro{'&immutable=1' if settled else ''}"
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_MS / 1000
    )


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def _check_version(connection: Connection, path: Path, *, create: bool) -> None:
    found = connection.scalar(sa.select(meta.c.value).where(meta.c.key == "schema_version"))
    if found is None and create:
        values = {"key": "schema_version", "value": str(SCHEMA_VERSION)}
        connection.execute(sa.insert(meta).values(values))
    elif found is None:
        msg = (
            f"The ledger {path} has no schema version: whoever made it did not finish, so there is "
            "nothing to read. Start the coordinator again, or restore a back-up."
        )
        raise LedgerError(msg)
    elif found != str(SCHEMA_VERSION):
        age = "newer" if int(found) > SCHEMA_VERSION else "older"
        msg = (
            f"The ledger {path} has schema version {found}, {age} than this Fairwind's "
            f"{SCHEMA_VERSION}. Nothing was read or changed. Run the Fairwind that wrote it, or "
            "start a new ledger with another FAIRWIND_HOME."
        )
        raise LedgerError(msg)
