"""The lock of a folder: one federation runs in it at a time, and others can find its process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.errors import FederationError
from common.file_lock import try_lock
from tasks.local.env_file import shown

DEFAULT_FOLDER = Path(".fairwind")

_FILE = "up.lock"


@dataclass(frozen=True)
class Holder:
    """The process that holds a folder; `ready` once everything in it is up."""

    pid: int
    ready: bool


class FolderLock:
    """The right to run a federation in a folder, for as long as this process lives."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def note(self, *, ready: bool) -> None:
        """Note which process holds the folder, and whether everything in it is up."""
        text = json.dumps({"pid": os.getpid(), "ready": ready})
        os.pwrite(self._descriptor, text.ljust(64).encode(), 0)


def folder_words(folder: Path) -> str:
    """Return what follows ``fairwind down``, typed here, to mean this folder."""
    is_default = folder.absolute() == DEFAULT_FOLDER.absolute()
    return "" if is_default else f" --folder {shown(folder.absolute())}"


def held_already(folder: Path, current: Holder | None) -> FederationError:
    """Return why nothing is started in a folder where a federation runs."""
    return FederationError(
        f"A federation runs in {shown(folder)} already (process {current and current.pid}), so no "
        f"second one was started. `fairwind down{folder_words(folder)}` stops it; "
        "`fairwind up --sites ...` then adds sites."
    )


@contextmanager
def hold(folder: Path) -> Iterator[FolderLock]:
    """Hold a folder, which need not exist.

    Raises:
        FederationError: If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not try_lock(descriptor):
            raise held_already(folder, holder(folder))
        lock = FolderLock(descriptor)
        lock.note(ready=False)
        yield lock
    finally:
        os.close(descriptor)


def holder(folder: Path) -> Holder | None:
    """Return the process that holds a folder; `None` if none does."""
    try:
        descriptor = os.open(folder / _FILE, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        if try_lock(descriptor, shared=True):
            return None
        noted = json.loads(os.pread(descriptor, 64, 0) or b"null")
        return Holder(**noted) if noted else None
    finally:
        os.close(descriptor)
