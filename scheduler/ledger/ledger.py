"""The ledger: an append-only, hash-chained table of events, and the state folded from it.

It is the truth. Any process may vanish at any instant; whoever comes next folds the same state.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Generic

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError, IntegrityError

from common.clock import GridClock, wall_now
from common.errors import LedgerError, LedgerMovedError
from common.log import get_logger
from scheduler.ledger.database import reading
from scheduler.ledger.event import Event
from scheduler.ledger.file_guard import moved
from scheduler.ledger.peek import Peek
from scheduler.ledger.projection import Projection, S
from scheduler.ledger.snapshots import EVERY, Snapshots
from scheduler.ledger.table import (
    Row,
    as_event,
    hash_at,
    insert,
    last_hash,
    last_seq,
    newest_rows,
    rows_after,
)
from scheduler.ledger.transaction import Transaction
from scheduler.ledger.verification import SnapshotCheck, Verification, verify_chain

_log = get_logger(__name__)


class LedgerReader(Generic[S]):
    """One process's view of the ledger. Safe to share between threads."""

    def __init__(self, engine: Engine, projection: Projection[S], snapshots: Snapshots[S]) -> None:
        self._engine = engine
        self._projection = projection
        self._snapshots = snapshots
        self._lock = threading.RLock()
        self._folded: S | None = None
        self._peek = Peek(engine)

    def state(self) -> S:
        """Return the state as of the last event. Read it, never change it."""
        with self._lock:
            known = self._folded
            if known and not known.archive.faulty and self._peek.last_seq() == known.seq:
                return known
            with reading(self._engine) as connection:
                return self._caught_up(connection)

    def latest_seq(self) -> int:
        """Return the number of the last event, 0 if there is none."""
        with reading(self._engine) as connection:
            return last_seq(connection)

    def events(self, after: int = 0, run: str | None = None) -> Iterator[Event]:
        """Yield the events behind number `after` in order, of one run or of all."""
        with reading(self._engine) as connection:
            yield from map(as_event, rows_after(connection, after, run))

    def newest(self, kind: str | None = None, run: str | None = None, *, limit: int) -> list[Event]:
        """Return the newest events in order, no more than `limit`, of one kind or run or of all."""
        with reading(self._engine) as connection:
            rows = newest_rows(connection, kind, run, limit=limit)
        return [as_event(row) for row in reversed(rows)]

    def hash_of(self, seq: int) -> str | None:
        """Return the hash of an event, `None` if there is none of that number."""
        with reading(self._engine) as connection:
            return hash_at(connection, seq)

    def verify(self, wanted: Collection[int] = ()) -> Verification:
        """Recompute the whole chain of hashes, and return those of the events `wanted`."""
        with reading(self._engine) as connection:
            return verify_chain(rows_after(connection, 0), wanted)

    def check_snapshot(self) -> SnapshotCheck | None:
        """Fold from the first event on and compare with the newest snapshot, if there is one."""
        with reading(self._engine) as connection:
            header = self._snapshots.newest_header(partial(hash_at, connection))
            if header is None:
                return None
            state = self._projection.new()
            for row in rows_after(connection, 0):
                if state.seq == header.seq:
                    break
                self._fold(state, row)
        return SnapshotCheck(header.seq, self._snapshots.fault(header, state))

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._peek.close()
        self._engine.dispose()

    def _caught_up(self, connection: Connection) -> S:
        """Return the state after folding in what was appended since.

        A snapshot of which a part is missing or altered is not used again: all is folded anew.
        """
        state = self._folded
        self._folded = None  # until all of it is folded in
        if state is None:
            state = self._snapshots.newest(partial(hash_at, connection)) or self._projection.new()
        try:
            if not state.archive.faulty:
                self._fold_rest(state, connection)
        except LedgerError:
            if not state.archive.faulty:
                raise
        if state.archive.faulty:
            _log.warning("snapshot.faulty", remedy="none needed: all events are folded anew")
            state = self._projection.new()
            self._fold_rest(state, connection)
        self._folded = state
        return state

    def _fold_rest(self, state: S, connection: Connection) -> None:
        if last_hash(connection) != (state.seq, state.head if state.seq else ""):
            self._check_same(state, connection)
            for row in rows_after(connection, state.seq):
                self._fold(state, row)

    def _check_same(self, state: S, connection: Connection) -> None:
        """Refuse a file into which another ledger was copied while this one was in use.

        Raises:
            LedgerMovedError: If the last event that is folded in is not there.
        """
        if state.seq and hash_at(connection, state.seq) != state.head:
            file = connection.exec_driver_sql("PRAGMA database_list").one()[2]
            raise LedgerMovedError(moved(Path(str(file))))

    def _fold(self, state: S, row: Row) -> None:
        event = as_event(row)
        try:
            self._projection.apply(state, event)
        except Exception as error:
            msg = (
                f"Event {row.seq} of the ledger ({row.kind}) contradicts those before it "
                f"({type(error).__name__}: {error}), so the state after it cannot be "
                "reconstructed. See with `fairwind ledger verify` whether it was altered."
            )
            raise LedgerError(msg) from error


class Ledger(LedgerReader[S]):
    """The same, with the right to append."""

    def __init__(
        self,
        engine: Engine,
        projection: Projection[S],
        snapshots: Snapshots[S],
        *,
        clock: GridClock,
    ) -> None:
        super().__init__(engine, projection, snapshots)
        self._clock = clock
        self._snapshot_seq: int | None = None

    @contextmanager
    def transaction(self, *, at: datetime | None = None) -> Iterator[Transaction[S]]:
        """Hold the ledger exclusively, read what others appended, and append.

        What is appended in the block is written, folded and on disk when the block has ended. An
        exception in the block leaves ledger and state as they were.

        Args:
            at: What the wall clock shows; a simulation's is not the machine's.

        Raises:
            LedgerError: If it cannot be written: the disk is full, or another process holds it.
        """
        with self._lock:
            folding = False
            try:
                with self._engine.begin() as connection:
                    state = self._caught_up(connection)
                    tx = Transaction(state, self._clock, at or wall_now())
                    yield tx
                    if sealed := tx.sealed():
                        insert(connection, sealed)
                        folding = True
                        for event, _ in sealed:
                            self._projection.apply(state, event)
            except BaseException as error:
                if folding:  # what was folded in is not in the database
                    self._folded = state if state.archive.faulty else None
                if isinstance(error, DatabaseError) and not isinstance(error, IntegrityError):
                    raise LedgerError(self._not_written(error)) from error
                raise
            if folding:
                self._snapshot_if_due(state)

    def _not_written(self, error: DatabaseError) -> str:
        return (
            f"The ledger {self._engine.url.database} cannot be written ({error.orig}), so nothing "
            "was recorded. Make room on its disk, let it be written, end the process that holds "
            "it, or restore a back-up if it was damaged; then try again."
        )

    def _snapshot_if_due(self, state: S) -> None:
        """Write a snapshot when enough was appended since the last, whichever process wrote it."""
        if self._snapshot_seq is None or state.seq - self._snapshot_seq >= EVERY:
            with reading(self._engine) as connection:
                last = self._snapshots.newest_header(partial(hash_at, connection))
            self._snapshot_seq = last.seq if last else 0
        if state.seq - self._snapshot_seq < EVERY:
            return
        try:
            self._snapshots.write(state)
        except OSError as error:  # the events are safe, and the next one tries again
            _log.warning("snapshot.not_written", reason=str(error))
        else:
            self._snapshot_seq = state.seq
