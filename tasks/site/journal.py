"""A site's audit trail: what it received, did, answered and sent, appended and never altered.

Each record is chained to the one before (see `trail_record`), so that altering, removing or
reordering one is found (see `audit`). There is a file a month. A record is on disk before what it
reports leaves the site. Several processes of a site append: they lock.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from common.clock import wall_now
from common.failpoints import failpoint
from common.file_lock import lock
from common.files import sync
from common.settings import Settings
from tasks.site.entry import Entry, Pruned, Recovered
from tasks.site.site_files import SiteFiles
from tasks.site.syslog import Syslog
from tasks.site.trail_record import FIRST_PREVIOUS, TrailRecord

KEPT_MONTHS = 24
"""So many files are kept; the oldest is deleted when a month begins."""

_TAIL_NBYTES = 1 << 16
"""More than the longest record has, and what a full disk may have left after it."""

_OF_ITSELF = (Recovered, Pruned)
"""Entries about the trail itself."""

Mirror = Callable[[TrailRecord], None]
"""Is shown each record as it is written; it must neither wait nor fail."""


class Journal:
    """The audit trail of one client.

    Attributes:
        last: The last record that this process has written; `None` if it has written none.
    """

    def __init__(self, folder: Path, *, mirror: Mirror | None = None) -> None:
        self.last: TrailRecord | None = None
        self._folder = folder
        self._mirror = mirror

    def append(self, *entries: Entry, at: datetime | None = None, synced: bool = True) -> None:
        """Append entries, all or none of them.

        Args:
            entries: In the order in which they happened.
            at: The wall clock; now if left out.
            synced: Return only when these and all before them are on disk.

        Raises:
            OSError: If they could not be written.
        """
        at = at or wall_now()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            tail = self._tail()
            path = self._folder / f"{at:%Y-%m}.jsonl"
            is_new = tail.path is None or path.stem > tail.path.stem
            if tail.path is not None and not is_new:  # also where a clock was set back
                path = tail.path
            files = self._files()
            gone = files[: -KEPT_MONTHS + 1] if is_new else []
            kept = files[len(gone) :]
            records = _chained(tail, [*_before(tail, gone, kept, at), *entries])
            start = b"" if is_new or tail.ends_line else b"\n"
            _write(path, start + b"".join(each.line for each in records), synced=synced)
            if is_new:
                sync(self._folder)
            for old in gone:
                old.unlink(missing_ok=True)
                heads_of(old).unlink(missing_ok=True)
        self.last = records[-1]
        if self._mirror is not None:
            for record in records:
                self._mirror(record)

    def read(self, *, since: datetime) -> list[Entry]:
        """Return what was written since a time, or a little earlier, oldest first.

        What the trail says of itself is left out, and so is what is no record: see `audit`.
        """
        entries = []
        for path in self._files():
            if path.stem < f"{since:%Y-%m}":
                continue
            for line in path.read_bytes().split(b"\n"):
                record = TrailRecord.parse(line)
                with suppress(ValidationError):
                    if record is not None:
                        entries.append(record.read())
        return [entry for entry in entries if not isinstance(entry, _OF_ITSELF)]

    def lines(self) -> Iterator[tuple[Path, int, bytes]]:
        """Yield each line of the trail: its file, its number there, and its text with its end.

        Raises:
            OSError: If a file cannot be read.
        """
        for path in self._files():
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    yield path, number, line

    def _files(self) -> list[Path]:
        return sorted(
            path for path in self._folder.glob("*.jsonl") if re.fullmatch(r"\d{4}-\d{2}", path.stem)
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from appending; its end lets go of the lock, however it comes."""
        descriptor = os.open(self._folder / "trail.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _tail(self) -> _Tail:
        """Return the end of the trail; a file that holds no record is not the end of it."""
        files, torn = self._files(), b""
        ends_line = True
        for path in reversed(files):
            end = _tail_of(path)
            torn = b"\n".join(part for part in (end.torn, torn) if part)
            ends_line = end.ends_line if path == files[-1] else ends_line
            if end.last is not None:
                return _Tail(files[-1], end.last, torn, ends_line=ends_line)
        return _Tail(files[-1] if files else None, None, torn, ends_line=ends_line)


def open_journal(settings: Settings, client: str) -> Journal:
    """Return the audit trail of a client, copied to the site's syslog if the settings say so."""
    copied = Syslog(settings.site_syslog, client) if settings.site_syslog else None
    return Journal(SiteFiles(settings, client).folder, mirror=copied)


@dataclass(frozen=True)
class _Tail:
    """The end of a trail, or of one of its files.

    Attributes:
        path: The file that ends with it; `None` if there is none.
        last: The last record; `None` if there is none.
        torn: What is behind that and is none.
        ends_line: Whether the last line ends as a line does.
    """

    path: Path | None
    last: TrailRecord | None
    torn: bytes
    ends_line: bool


def heads_of(path: Path) -> Path:
    """Return where the signed heads of a file of the trail are."""
    return path.with_suffix(".heads")


def _tail_of(path: Path) -> _Tail:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_NBYTES))
        end = file.read()
    ends_line = not end or end.endswith(b"\n")
    lines = end.removesuffix(b"\n").split(b"\n") if end else []
    for place in reversed(range(len(lines))):
        record = TrailRecord.parse(lines[place])
        if record is not None and record.is_whole:
            return _Tail(path, record, b"\n".join(lines[place + 1 :]), ends_line=ends_line)
    return _Tail(path, None, b"\n".join(lines), ends_line=ends_line)


def _before(tail: _Tail, gone: list[Path], kept: list[Path], at: datetime) -> list[Entry]:
    """Return what the trail has to say of itself before the next entry.

    Args:
        tail: Its end.
        gone: Files that are about to be deleted.
        kept: Those after them.
        at: The wall clock.
    """
    entries: list[Entry] = []
    if tail.torn:
        digest = hashlib.sha256(tail.torn).hexdigest()
        entries.append(Recovered(at=at, torn_nbytes=len(tail.torn), torn_sha256=digest))
    if gone:
        # Where all that is kept is torn, the next record is the first one.
        first = next((record for path in kept for record in _records(path)), None)
        last = tail.last
        seq = first.seq if first else last.seq + 1 if last else 1
        previous = first.previous if first else last.hash if last else FIRST_PREVIOUS
        names = tuple(path.name for path in gone)
        entries.append(Pruned(at=at, files=names, first_seq=seq, first_previous=previous))
    return entries


def _records(path: Path) -> Iterator[TrailRecord]:
    with path.open("rb") as file:
        for line in file:
            record = TrailRecord.parse(line.removesuffix(b"\n"))
            if record is not None:
                yield record


def _chained(tail: _Tail, entries: list[Entry]) -> list[TrailRecord]:
    records: list[TrailRecord] = []
    for entry in entries:
        records.append(TrailRecord.after(records[-1] if records else tail.last, entry))
    return records


def _write(path: Path, data: bytes, *, synced: bool) -> None:
    """Append to a file, or leave it as it was.

    Raises:
        OSError: If it could not be written; its ``filename`` is set.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            while data:  # a disk that is full takes a part, and says so at the next call
                data = data[os.write(descriptor, data) :]
            failpoint("trail.written")
            if synced:
                os.fsync(descriptor)
        except OSError as error:
            with suppress(OSError):  # what is left there is recovered by the next record
                os.ftruncate(descriptor, size)
            raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)
