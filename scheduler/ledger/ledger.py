"""The ledger: an append-only, hash-chained table of events, and the federation folded from it.

It is the truth. Any process may vanish at any instant; whoever comes next folds the same state.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.engine import Connection, Engine, make_url

from common.clock import GridClock, wall_now
from common.errors import LedgerError, SettingError
from common.settings import without_password
from scheduler.federation.federation import Federation
from scheduler.ledger.event import GENESIS, Draft, Event, canonical, chain_hash, stamp

SCHEMA_VERSION = 1

_metadata = sa.MetaData()

_meta = sa.Table(
    "meta",
    _metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)

_events = sa.Table(
    "events",
    _metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("grid_at", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("run", sa.String, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("client", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

_INSERT = sa.insert(_events)

sa.Index(
    "counted_once",
    _events.c.run,
    _events.c.round,
    _events.c.client,
    unique=True,
    sqlite_where=_events.c.kind == "update.accepted",
)
"""The database itself refuses to count a client twice in one round."""

for _verb in ("UPDATE", "DELETE"):
    sa_event.listen(
        _events,
        "after_create",
        sa.DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER no_{_verb.lower()} BEFORE {_verb} ON events "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        ),
    )


@dataclass(frozen=True, slots=True)
class Verification:
    """What `Ledger.verify` found: events read, and the first one that does not fit, if any."""

    events: int
    head: str
    broken_at: int | None


class Transaction:
    """An exclusive right to append, and the state as of the last event, its own included."""

    def __init__(
        self, connection: Connection, state: Federation, clock: GridClock, at: datetime
    ) -> None:
        self.state = state
        self.at = at
        self.grid_at = clock.at(self.at)
        self._connection = connection

    def append(self, *drafts: Draft) -> None:
        """Write `drafts` behind the last event and fold them into `state`."""
        rows = []
        for draft in drafts:
            event, body = self._sealed(draft)
            self.state.apply(event)
            rows.append({
                "seq": event.seq, "at": stamp(event.at), "grid_at": stamp(event.grid_at),
                "kind": event.kind, "run": event.run, "round": event.round,
                "client": event.client, "body": body,
                "prev_hash": event.prev_hash, "hash": event.hash,
            })  # fmt: skip
        if rows:
            self._connection.execute(_INSERT, rows)

    def _sealed(self, draft: Draft) -> tuple[Event, str]:
        """Return a draft as an event, and its body as it is kept."""
        seq, prev, body = self.state.seq + 1, self.state.head, canonical(draft.body)
        digest = chain_hash(
            prev, seq, stamp(self.at), stamp(self.grid_at), draft.kind, draft.run, draft.round,
            draft.client, body,
        )  # fmt: skip
        # The body as every later reader will see it: a tuple, for one, comes back as a list.
        event = Event(
            seq, self.at, self.grid_at, draft.kind, draft.run, draft.round, draft.client,
            json.loads(body), prev, digest,
        )  # fmt: skip
        return event, body


class Ledger:
    """One process's access to the ledger. Safe to share between threads."""

    def __init__(self, engine: Engine, clock: GridClock) -> None:
        self._engine = engine
        self._clock = clock
        self._state = Federation()
        self._lock = threading.RLock()
        self._open_reader: Connection | None = None

    @contextmanager
    def transaction(self, *, at: datetime | None = None) -> Iterator[Transaction]:
        """Hold the ledger exclusively, read what others appended, and append.

        What was appended is on disk when the block ends; an exception takes all of it back.

        Args:
            at: What the wall clock shows; a simulation's is not the machine's.
        """
        with self._lock:
            try:
                with self._engine.begin() as connection:
                    self._catch_up(connection)
                    yield Transaction(connection, self._state, self._clock, at or wall_now())
            except BaseException:
                # Even a commit may fail: what was folded in is not in the database.
                self._state = Federation()
                raise

    def state(self) -> Federation:
        """Return the federation as of the last event. Read it, never change it."""
        with self._lock:
            self._catch_up(self._reader)
            return self._state

    def latest_seq(self) -> int:
        """Return the number of the last event, 0 if there is none."""
        with self._lock:
            return _last_seq(self._reader)

    def events(self, after: int = 0, run: str | None = None) -> Iterator[Event]:
        """Yield the events behind number `after` in order, of one run or of all."""
        query = sa.select(_events).where(_events.c.seq > after).order_by(_events.c.seq)
        if run is not None:
            query = query.where(_events.c.run == run)
        with self._reading() as connection:
            for row in connection.execute(query):
                yield _event(row)

    def newest(self, kind: str, *, limit: int) -> list[Event]:
        """Return the newest events of one kind in order, no more than `limit`."""
        query = sa.select(_events).where(_events.c.kind == kind).order_by(_events.c.seq.desc())
        with self._reading() as connection:
            rows = list(connection.execute(query.limit(limit)))
        return [_event(row) for row in reversed(rows)]

    def verify(self) -> Verification:
        """Recompute the whole chain of hashes."""
        head, count = GENESIS, 0
        with self._reading() as connection:
            for row in connection.execute(sa.select(_events).order_by(_events.c.seq)):
                count += 1
                digest = chain_hash(
                    head, row.seq, row.at, row.grid_at, row.kind, row.run, row.round, row.client,
                    row.body,
                )  # fmt: skip
                if row.seq != count or row.prev_hash != head or row.hash != digest:
                    return Verification(count, head, broken_at=count)
                head = digest
        return Verification(count, head, broken_at=None)

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            if self._open_reader is not None:
                self._open_reader.close()
                self._open_reader = None
        self._engine.dispose()

    @property
    def _reader(self) -> Connection:
        """A connection kept at hand for the question asked most: is there anything new?"""
        if self._open_reader is None:
            self._open_reader = self._engine.connect().execution_options(reading=True)
        return self._open_reader

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection.execution_options(reading=True)

    def _catch_up(self, connection: Connection) -> None:
        if _last_seq(connection) == self._state.seq:
            return
        query = sa.select(_events).where(_events.c.seq > self._state.seq).order_by(_events.c.seq)
        for row in connection.execute(query):
            try:
                self._state.apply(_event(row))
            except Exception as error:
                self._state = Federation()
                msg = (
                    f"Event {row.seq} of the ledger ({row.kind}) cannot be understood "
                    f"({type(error).__name__}: {error}), so nothing can be told from it on. "
                    "See with `fairwind ledger verify` whether it was altered."
                )
                raise LedgerError(msg) from error


def _last_seq(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT max(seq) FROM events").scalar() or 0)


def _event(row: sa.Row[tuple[object, ...]]) -> Event:
    return Event(
        row.seq, datetime.fromisoformat(row.at), datetime.fromisoformat(row.grid_at), row.kind,
        row.run, row.round, row.client, json.loads(row.body), row.prev_hash, row.hash,
    )  # fmt: skip


def open_ledger(url: str, clock: GridClock, *, create: bool = True) -> Ledger:
    """Open the ledger at an SQLAlchemy URL, creating it if there is none and `create` is set.

    Raises:
        SettingError: If the URL is not of SQLite, the only database supported so far.
        LedgerError: If there is none, it cannot be opened, or it has another schema version.
    """
    path = _sqlite_path(url)
    if not create and not path.exists():
        msg = (
            f"There is no ledger at {path}, so there is nothing to show. Enrol a client first "
            "(`fairwind enroll`), or point FAIRWIND_HOME at the coordinator's folder."
        )
        raise LedgerError(msg)
    _make_folder(path.parent)
    engine = sa.create_engine(url, connect_args={"check_same_thread": False})
    sa_event.listen(engine, "connect", _on_connect)
    sa_event.listen(engine, "begin", _on_begin)
    try:
        with engine.begin() as connection:
            _metadata.create_all(connection)
            _check_version(connection, path)
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
    return Ledger(engine, clock)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = (
            f"The ledger's folder {folder} cannot be made ({error.strerror}), so there is no "
            "ledger. Let FAIRWIND_HOME name a folder on a local disk that you may write."
        )
        raise LedgerError(msg) from error


def _sqlite_path(url: str) -> Path:
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


def _on_connect(connection: object, _record: object) -> None:
    # sqlite3 would begin transactions by itself, deferred; ours begin in _on_begin, immediate.
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    # A reader needs no transaction: each of its statements sees one state of the database.
    if not connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check_version(connection: Connection, path: Path) -> None:
    found = connection.scalar(sa.select(_meta.c.value).where(_meta.c.key == "schema_version"))
    if found is None:
        values = {"key": "schema_version", "value": str(SCHEMA_VERSION)}
        connection.execute(sa.insert(_meta).values(values))
    elif found != str(SCHEMA_VERSION):
        age = "newer" if int(found) > SCHEMA_VERSION else "older"
        msg = (
            f"The ledger {path} has schema version {found}, {age} than this Fairwind's "
            f"{SCHEMA_VERSION}. Nothing was read or changed. Run the Fairwind that wrote it, or "
            "start a new ledger with another FAIRWIND_HOME."
        )
        raise LedgerError(msg)
