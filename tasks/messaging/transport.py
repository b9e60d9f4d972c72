"""Transport of bytes by claim check: a message carries a `BlobRef`, the bytes wait elsewhere."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import redis

from common.errors import SettingError, TransportError
from common.messages import BlobRef
from common.settings import Settings
from tasks.messaging.broker import connect

CHUNK = 4 << 20
"""Bytes per Redis value: large enough to be fast, small enough for Redis' memory."""


class Transport(Protocol):
    """Holds bytes between sender and receiver."""

    def put(self, key: str, path: Path, sha256: str) -> BlobRef:
        """Offer a file's bytes under a key, replacing what was there."""

    def chunks(self, ref: BlobRef) -> Iterator[bytes]:
        """Yield the bytes of `ref` in pieces. Raises `TransportError` if any are missing."""

    def has(self, ref: BlobRef) -> bool:
        """Return whether all bytes of `ref` are still there."""

    def delete(self, ref: BlobRef) -> None:
        """Delete the bytes of `ref`, if they are there."""


class RedisTransport:
    """Bytes as expiring 4 MB values beside the queues. Works wherever the broker does."""

    def __init__(self, client: redis.Redis, ttl_s: int) -> None:
        self._redis = client
        self._ttl_s = ttl_s

    def put(self, key: str, path: Path, sha256: str) -> BlobRef:
        """Offer a file's bytes; see `Transport.put`."""
        nbytes = index = 0
        with path.open("rb") as file:
            while (chunk := file.read(CHUNK)) or index == 0:
                self._redis.set(_redis_key(key, index), chunk, ex=self._ttl_s)
                nbytes += len(chunk)
                index += 1
        return BlobRef(key=key, sha256=sha256, nbytes=nbytes)

    def chunks(self, ref: BlobRef) -> Iterator[bytes]:
        """Yield the bytes; see `Transport.chunks`."""
        for name in _redis_keys(ref):
            try:
                chunk = self._redis.get(name)
            except redis.RedisError as error:
                msg = (
                    f"Redis failed while {ref.key} was fetched ({error}), so its bytes cannot be "
                    "used. They are fetched again."
                )
                raise TransportError(msg) from error
            if not isinstance(chunk, bytes):
                raise TransportError(_missing(ref))
            yield chunk

    def has(self, ref: BlobRef) -> bool:
        """Return whether all bytes are there."""
        names = _redis_keys(ref)
        return self._redis.exists(*names) == len(names)

    def delete(self, ref: BlobRef) -> None:
        """Delete the bytes."""
        self._redis.unlink(*_redis_keys(ref))


class FolderTransport:
    """Bytes as files in a folder that coordinator and sites share, e.g. on one host or by NFS."""

    def __init__(self, folder: Path, ttl_s: int) -> None:
        self._folder = folder
        self._ttl_s = ttl_s
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, path: Path, sha256: str) -> BlobRef:
        """Offer a file's bytes; see `Transport.put`."""
        self._sweep()
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}.part")
        shutil.copyfile(path, partial)
        partial.replace(target)
        return BlobRef(key=key, sha256=sha256, nbytes=target.stat().st_size)

    def chunks(self, ref: BlobRef) -> Iterator[bytes]:
        """Yield the bytes; see `Transport.chunks`."""
        try:
            with self._path(ref.key).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise TransportError(_missing(ref)) from None

    def has(self, ref: BlobRef) -> bool:
        """Return whether all bytes are there."""
        return self._path(ref.key).exists()

    def delete(self, ref: BlobRef) -> None:
        """Delete the bytes."""
        self._path(ref.key).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what was not fetched in time."""
        oldest = time.time() - self._ttl_s
        for path in self._folder.rglob("*"):
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        path = (self._folder / key).resolve()
        if self._folder.resolve() not in path.parents:
            msg = f"The key {key!r} leaves the transport folder, so it is not followed."
            raise TransportError(msg)
        return path


def make_transport(settings: Settings) -> Transport:
    """Return the transport the settings name.

    Raises:
        SettingError: If `FAIRWIND_TRANSPORT` is neither ``redis`` nor ``folder:/path``.
    """
    kind, _, path = settings.transport.partition(":")
    if kind == "redis" and not path:
        return RedisTransport(connect(settings, bulk=True), settings.transport_ttl_s)
    if kind == "folder" and path:
        return FolderTransport(Path(path), settings.transport_ttl_s)
    msg = (
        f"FAIRWIND_TRANSPORT={settings.transport!r} is no transport, so no bytes could travel. "
        "Set it to redis, or to folder:/a/path that coordinator and sites share."
    )
    raise SettingError(msg)


def fetch(transport: Transport, ref: BlobRef) -> bytearray:
    """Return the bytes of `ref`, checked against its SHA-256.

    Raises:
        TransportError: If bytes are missing or altered.
    """
    data, digest, filled = bytearray(ref.nbytes), hashlib.sha256(), 0
    for chunk in received(transport, ref):
        digest.update(chunk)
        data[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    if digest.hexdigest() != ref.sha256:
        raise TransportError(altered(ref))
    return data


def received(transport: Transport, ref: BlobRef) -> Iterator[bytes]:
    """Yield the bytes of `ref` in pieces; the next piece is fetched while one is used.

    Raises:
        TransportError: If bytes are missing, or more come than were promised.
    """
    total = 0
    chunks = transport.chunks(ref)
    for chunk in _ahead(chunks) if ref.nbytes > CHUNK else chunks:
        total += len(chunk)
        if total > ref.nbytes:
            raise TransportError(altered(ref))
        yield chunk


def _ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(next, chunks, None)
        while (chunk := pending.result()) is not None:
            pending = thread.submit(next, chunks, None)
            yield chunk


def altered(ref: BlobRef) -> str:
    """Return the sentence for bytes that are not what was promised."""
    return (
        f"The bytes under {ref.key} are not the {ref.nbytes} that were promised, so they are not "
        "used. They are fetched again; if it happens often, check the network and Redis."
    )


def _missing(ref: BlobRef) -> str:
    return (
        f"The bytes under {ref.key} are gone, because Redis lost them or they expired, so they "
        "cannot be used. They are sent again."
    )


def _redis_key(key: str, index: int) -> str:
    return f"fairwind:blob:{key}:{index}"


def _redis_keys(ref: BlobRef) -> list[str]:
    return [_redis_key(ref.key, index) for index in range(max(1, -(-ref.nbytes // CHUNK)))]
