"""The table of events, its triggers, and an event as one of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.engine import Connection

from scheduler.ledger.event import Event, read_payload, stamp

SCHEMA_VERSION = 1

metadata = sa.MetaData()

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
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

_INSERT = sa.insert(events)

sa.Index(
    "counted_once",
    events.c.run,
    events.c.round,
    events.c.client,
    unique=True,
    sqlite_where=events.c.kind == "update.accepted",
)
"""The database itself refuses to count a client twice in one round."""

for _verb in ("UPDATE", "DELETE"):
    sa_event.listen(
        events,
        "after_create",
        sa.DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER no_{_verb.lower()} BEFORE {_verb} ON events "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        ),
    )

Row = sa.Row[tuple[object, ...]]


def insert(connection: Connection, sealed: list[tuple[Event, str]]) -> None:
    """Write events, each with the text of its body."""
    rows = [
        {
            "seq": event.seq, "at": stamp(event.at), "grid_at": stamp(event.grid_at),
            "kind": event.kind, "run": event.run, "round": event.round, "client": event.client,
            "body": body, "prev_hash": event.prev_hash, "hash": event.hash,
        }
        for event, body in sealed
    ]  # fmt: skip
    connection.execute(_INSERT, rows)


def last_seq(connection: Connection) -> int:
    """Return the number of the last event, 0 if there is none."""
    return int(connection.exec_driver_sql("SELECT max(seq) FROM events").scalar() or 0)


def last_hash(connection: Connection) -> tuple[int, str]:
    """Return the number and the hash of the last event; 0 and an empty text if there is none."""
    query = "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1"
    found = connection.exec_driver_sql(query).one_or_none()
    return (int(found[0]), str(found[1])) if found else (0, "")


def hash_at(connection: Connection, seq: int) -> str | None:
    """Return the hash of the event of a number, `None` if there is none."""
    found: str | None = connection.scalar(sa.select(events.c.hash).where(events.c.seq == seq))
    return found


def rows_after(connection: Connection, seq: int, run: str | None = None) -> Iterator[Row]:
    """Yield the rows behind number `seq` in order, of one run or of all."""
    query = sa.select(events).where(events.c.seq > seq).order_by(events.c.seq)
    if run is not None:
        query = query.where(events.c.run == run)
    yield from connection.execute(query)


def newest_rows(
    connection: Connection, kind: str | None, run: str | None, *, limit: int
) -> list[Row]:
    """Return the newest rows, newest first, of one kind or run or of all."""
    query = sa.select(events).order_by(events.c.seq.desc()).limit(limit)
    if kind is not None:
        query = query.where(events.c.kind == kind)
    if run is not None:
        query = query.where(events.c.run == run)
    return list(connection.execute(query))


def as_event(row: Row) -> Event:
    """Return a row as the event it holds.

    Raises:
        LedgerError: If this version knows no such kind, or the body does not fit it.
    """
    return Event(
        row.seq, datetime.fromisoformat(row.at), datetime.fromisoformat(row.grid_at),
        read_payload(row.seq, row.kind, row.body), row.run, row.round, row.client, row.prev_hash,
        row.hash,
    )  # fmt: skip
