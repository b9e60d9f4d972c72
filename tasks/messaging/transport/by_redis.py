"""Redis as a transport: the bytes wait beside the queues, and survive a slow or broken link.

A blob is one expiring hash of pieces and of the SHA-256 of all. Several pieces go at once, as many
as take a few seconds; each is acknowledged by itself, so a timeout measures silence and not how
long a link takes. After a cut only the pieces that are not there yet go again.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import redis

from common.errors import TransportError
from common.keys import redis_key
from common.messages import BlobRef
from tasks.messaging.transport.claim import CHUNK, altered, missing
from tasks.messaging.transport.pace import MOST_PIECES, Pace, outlasting

T = TypeVar("T")

PIECE = CHUNK // MOST_PIECES
"""Bytes of a piece, 128 KB: in 30 s, a socket's timeout, it passes 35 kbit/s."""

_SHA256 = "sha256"
"""The field of the hash that says of what the others are pieces."""


@dataclass
class _Ahead:
    """The pieces that are still to be fetched."""

    pieces: range


class RedisTransport:
    """Bytes as expiring hashes beside the queues. Works wherever the broker does."""

    def __init__(self, client: redis.Redis, ttl_s: int, *, patience_s: float) -> None:
        """Prepare to move bytes.

        Args:
            client: One that does not try again by itself: here only what is missing goes again.
            ttl_s: How long bytes wait after the last of them was sent, or offered again.
            patience_s: How long nothing may arrive before a transfer fails.
        """
        self._redis = client
        self._ttl_s = ttl_s
        self._patience_s = patience_s

    def put(self, key: str, path: Path, sha256: str) -> BlobRef:
        """Offer a file's bytes; see `Transport.put`."""
        ref = BlobRef(key=key, sha256=sha256, nbytes=path.stat().st_size)
        with path.open("rb") as file:
            for _ in outlasting(lambda: self._send(ref, file), self._patience_s):
                pass
        return ref

    def chunks(self, ref: BlobRef, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes; see `Transport.chunks`."""
        # What was fetched lies ahead no more, so that a transfer goes on where it was.
        ahead, skipped = _Ahead(_pieces(ref)[start // PIECE :]), start % PIECE
        fetched = (
            self._fetch if len(ahead.pieces) == 1 else lambda *some: _prefetched(self._fetch(*some))
        )
        try:
            for pieces in outlasting(lambda: fetched(ref, ahead), self._patience_s):
                for piece in pieces:
                    yield piece[skipped:]
                    skipped = 0
        except redis.RedisError as error:
            msg = (
                f"Redis failed while {ref.key} was fetched ({error}), so its bytes cannot be "
                "used. They are fetched again."
            )
            raise TransportError(msg) from error

    def has(self, ref: BlobRef) -> bool:
        """Return whether all bytes are there."""
        there, pieces = self._pieces_there(ref), _pieces(ref)
        # What is claimed may be any number: what is there is counted first.
        return len(there) >= len(pieces) and all(b"%d" % index in there for index in pieces)

    def keep(self, ref: BlobRef) -> bool:
        """Return whether all bytes are there, and let them wait anew; see `Transport.keep`."""
        self._now(lambda: self._redis.expire(_name(ref), self._ttl_s))
        return self.has(ref)

    def has_some(self, ref: BlobRef) -> bool:
        """Return whether some bytes are there."""
        return bool(self._pieces_there(ref))

    def delete(self, ref: BlobRef) -> None:
        """Delete the bytes."""
        self._now(lambda: self._redis.unlink(_name(ref)))

    def _send(self, ref: BlobRef, file: io.BufferedReader) -> Iterator[None]:
        """Send the pieces that are not there, and look again: Redis may have lost some meanwhile.

        Raises:
            TransportError: If Redis loses them as fast as they come.
        """
        before, pace = len(_pieces(ref)) + 1, Pace()  # after a cut, few pieces at first
        buffer = memoryview(bytearray(min(max(ref.nbytes, 1), CHUNK)))
        while absent := self._absent(ref):
            if len(absent) >= before:
                raise missing(ref)
            before = len(absent)
            afresh = before == len(_pieces(ref))
            while absent:
                some, absent = absent[: pace.pieces], absent[pace.pieces :]
                begun = time.monotonic()
                pieces = _read(file, some, buffer)
                self._send_at_once(ref, pieces, afresh=afresh)
                pace.learn(len(some), time.monotonic() - begun)
                afresh = False
                yield

    def _send_at_once(
        self, ref: BlobRef, pieces: Mapping[int, memoryview], *, afresh: bool
    ) -> None:
        name = _name(ref)
        # No transaction: a piece that has arrived stays, whatever becomes of those behind it.
        with self._redis.pipeline(transaction=False) as pipe:
            if afresh:
                pipe.unlink(name)
            pipe.hset(name, _SHA256, ref.sha256)
            pipe.expire(name, self._ttl_s)
            for index, piece in pieces.items():
                pipe.hset(name, str(index), piece)
            pipe.expire(name, self._ttl_s)  # in case that Redis was emptied in between
            pipe.execute()

    def _fetch(self, ref: BlobRef, ahead: _Ahead) -> Iterator[list[bytes]]:
        """Yield the pieces that lie ahead, several at once.

        How large they are is known before they are fetched: they may be anything.
        """
        name, pace = _name(ref), Pace()
        fitting = self._measured(ref, ahead.pieces[:1])
        while ahead.pieces:
            some, begun = ahead.pieces[: min(pace.pieces, fitting)], time.monotonic()
            then = ahead.pieces[len(some) : len(some) + MOST_PIECES]
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.hmget(name, [_SHA256, *(str(index) for index in some)])
                for index in then:
                    pipe.hstrlen(name, str(index))
                (sha256, *values), *sizes = pipe.execute()
            if sha256 is None or None in values:
                raise missing(ref)
            if sha256 != ref.sha256.encode():
                raise altered(ref)
            _check_sizes(ref, sizes)
            pace.learn(len(some), time.monotonic() - begun)
            ahead.pieces, fitting = ahead.pieces[len(some) :], len(then)
            yield values

    def _measured(self, ref: BlobRef, pieces: range) -> int:
        """Return how many pieces these are, once none of them is found too large."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hstrlen(_name(ref), _SHA256)
            for index in pieces:
                pipe.hstrlen(_name(ref), str(index))
            _check_sizes(ref, pipe.execute())
        return len(pieces)

    def _pieces_there(self, ref: BlobRef) -> set[bytes]:
        """Return the names of the pieces that are there, none if the key holds something else."""
        sha256, there = self._now(lambda: self._look(ref))
        return there - {_SHA256.encode()} if sha256 == ref.sha256.encode() else set()

    def _absent(self, ref: BlobRef) -> list[int]:
        """Return the pieces that are not there: all of them if the key holds something else."""
        there = self._pieces_there(ref)
        return [index for index in _pieces(ref) if b"%d" % index not in there]

    def _look(self, ref: BlobRef) -> tuple[bytes | None, set[bytes]]:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hget(_name(ref), _SHA256)
            pipe.hkeys(_name(ref))
            sha256, fields = pipe.execute()
        return sha256, set(fields)

    def _now(self, work: Callable[[], T]) -> T:
        """Return what `work` returns once Redis answers."""
        return next(outlasting(lambda: iter([work()]), self._patience_s))


def _read(
    file: io.BufferedReader, indices: Sequence[int], buffer: memoryview
) -> dict[int, memoryview]:
    """Read pieces into a buffer that is used again: fresh memory would cost as much as sending."""
    pieces, filled = {}, 0
    for index in indices:
        file.seek(index * PIECE)
        length = file.readinto(buffer[filled : filled + PIECE])
        pieces[index] = buffer[filled : filled + length]
        filled += length
    return pieces


def _prefetched(fetched: Iterator[T]) -> Iterator[T]:
    """Yield what is fetched; the next of it is fetched while one is used."""
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(next, fetched, None)
        while (one := pending.result()) is not None:
            pending = thread.submit(next, fetched, None)
            yield one


def _check_sizes(ref: BlobRef, sizes: Sequence[int]) -> None:
    """Check that no piece is larger than a piece is.

    Raises:
        TransportError: If one is: it would take the memory that it likes.
    """
    if any(nbytes > PIECE for nbytes in sizes):
        raise altered(ref)


def _pieces(ref: BlobRef) -> range:
    return range(max(1, -(-ref.nbytes // PIECE)))


def _name(ref: BlobRef) -> str:
    return redis_key("blob", ref.key)
