"""Snapshots: the folded state beside the ledger, so that nobody folds all events again.

A snapshot can be deleted at any time: it holds nothing that the events do not say. It is one line
that says of which event and of which code it is, and then the compressed text of the state; the
archived parts are files of their own in ``parts/``. It is JSON, never pickle. Nobody is bound to
believe it: `fairwind ledger verify` folds from the first event and compares.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from common.errors import LedgerError
from common.files import replace_synced
from common.log import get_logger
from scheduler.ledger.archive import Archive
from scheduler.ledger.projection import Projection, S

EVERY = 2000
"""Events from one snapshot to the next: folding them takes a fraction of a second."""

_LEVEL = 6
_KEPT = 2
_GRACE_S = 86_400.0
"""Archived parts that no state refers to any more stay so long, for processes that still do."""

_log = get_logger(__name__)

HashAt = Callable[[int], str | None]
"""Returns the hash of the ledger's event of a number, `None` if there is none."""


class Header(BaseModel):
    """What a snapshot is bound to.

    Attributes:
        seq: The last event in it.
        head: That event's hash, and so the whole history's.
        code: The code that folded it.
        sha256: Of the state's text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int
    head: str
    code: str
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a snapshot's first line.

        Raises:
            ValueError: If it is none.
            OSError: If it cannot be read.
        """
        with path.open("rb") as file:
            return cls.model_validate_json(file.readline(4096))


class Snapshots(Generic[S]):
    """The snapshots of one ledger in a folder."""

    def __init__(self, folder: Path, projection: Projection[S]) -> None:
        self._folder = folder
        self._projection = projection

    def newest(self, hash_at: HashAt) -> S | None:
        """Return the state of the newest snapshot that fits the ledger, `None` if there is none."""
        for path in self._files():
            try:
                header = self._fitting(path, hash_at)
                return self._load(path, header)
            except (OSError, ValueError, zlib.error) as error:
                _log.info("snapshot.discarded", file=path.name, reason=_reason(error))
        return None

    def newest_header(self, hash_at: HashAt) -> Header | None:
        """Return what the newest snapshot that seems to fit is bound to."""
        for path in self._files():
            try:
                return self._fitting(path, hash_at)
            except (OSError, ValueError):
                continue
        return None

    def write(self, state: S) -> None:
        """Write a snapshot of a state, and delete those before the last one.

        Raises:
            OSError: If it cannot be written. Whatever was there before is still there.
        """
        begun = time.perf_counter()
        text = self._projection.dump(state)
        header = Header(
            seq=state.seq, head=state.head, code=self._projection.code(),
            sha256=hashlib.sha256(text).hexdigest(),
        )  # fmt: skip
        state.archive.write(self._folder / "parts")
        path = self._folder / f"{state.seq:012}.snapshot"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{uuid4().hex}.part")
        partial.write_bytes(header.model_dump_json().encode() + b"\n" + zlib.compress(text, _LEVEL))
        replace_synced(partial, path)
        self._clean(state, path)
        _log.debug(
            "snapshot.written", seq=state.seq, nbytes=path.stat().st_size,
            took_s=round(time.perf_counter() - begun, 3),
        )  # fmt: skip

    def fault(self, header: Header, state: S) -> str | None:
        """Return what is wrong with the snapshot of a state that was folded anew, if anything."""
        text = self._projection.dump(state)
        if hashlib.sha256(text).hexdigest() != header.sha256:
            return "its state is not what the events add up to"
        archive = Archive(self._folder / "parts")
        try:
            for name in state.archived():
                archive.get(name)
        except LedgerError as error:
            return str(error)
        return None

    def _fitting(self, path: Path, hash_at: HashAt) -> Header:
        header = Header.read(path)
        if header.code != self._projection.code():
            msg = "other code folded it"
            raise ValueError(msg)
        if hash_at(header.seq) != header.head:
            msg = f"it is not of this ledger: event {header.seq} has another hash, or none"
            raise ValueError(msg)
        return header

    def _load(self, path: Path, header: Header) -> S:
        _, _, compressed = path.read_bytes().partition(b"\n")
        text = zlib.decompress(compressed)
        if hashlib.sha256(text).hexdigest() != header.sha256:
            msg = "it was altered"
            raise ValueError(msg)
        state = self._projection.load(text, Archive(self._folder / "parts"))
        if (state.seq, state.head) != (header.seq, header.head):
            msg = "it is of another event than it says"
            raise ValueError(msg)
        if not all(map(state.archive.has, state.archived())):
            msg = "a part of it is missing"
            raise ValueError(msg)
        return state

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.snapshot"), reverse=True)

    def _clean(self, state: S, written: Path) -> None:
        before = [path for path in self._files() if path < written]
        for path in self._files():
            if path != written and path not in before[: _KEPT - 1]:
                path.unlink(missing_ok=True)
        long_ago = time.time() - _GRACE_S
        state.archive.keep_only(state.archived(), older_than=long_ago)
        for path in self._folder.glob("*.part"):  # of processes that were killed meanwhile
            if path.stat().st_mtime < long_ago:
                path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return "it is not of this form" if isinstance(error, ValidationError) else str(error)
