"""Files that this user alone can read: the ledger, models, updates, keys, journals and logs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from common.errors import SettingError
from common.files import sync

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""What group and others may do; also the umask that allows them nothing."""

_given: list[int] = []
"""The umask that this process was started with, once another one holds."""


def keep_private() -> None:
    """Let nobody else use the files and folders that this process makes from now on.

    SQLite, Celery and what a workload writes make theirs by the same umask.
    """
    before = os.umask(_OTHERS)
    if not _given:
        _given.append(before)


@contextmanager
def for_others() -> Iterator[None]:
    """Make files as the user's umask says: reports, which are written to be passed on.

    A process has one umask: not where other threads write meanwhile.
    """
    before = os.umask(_given[0]) if _given else None
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)


def write_private(path: Path, data: bytes, *, replaces: bool = True) -> None:
    """Write a whole file that its owner alone can read; a crash leaves the old one or the new one.

    Args:
        path: Where; folders that are missing are made.
        data: All of it.
        replaces: Whether it may take the place of another file.

    Raises:
        FileExistsError: If it may not, and there is one.
        OSError: If it cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replaces:
            partial.replace(path)
        else:
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    sync(path.parent)


def is_open(path: Path) -> bool:
    """Return whether group or others may do anything with a file or folder."""
    return bool(path.stat().st_mode & _OTHERS)


def close_to_others(home: Path, kept: Iterable[str]) -> int:
    """Take the rights of group and others from a folder and from what is kept in it.

    Links are not followed, and files of other users are left as they are.

    Args:
        home: The folder; a sticky one, such as /tmp, is shared on purpose and left as it is.
        kept: Names in it, or patterns; the folders among them with all they hold.

    Returns:
        How many files and folders were open.

    Raises:
        SettingError: If one cannot be closed: its file system may know no rights.
    """
    if not home.is_dir():
        return 0
    closed = 0 if home.stat().st_mode & stat.S_ISVTX else _close(home, home.lstat())
    for pattern in kept:
        for path in home.glob(pattern):
            closed += close_tree(path)
    return closed


def close_tree(path: Path) -> int:
    """Take the rights of group and others from a file, or from a folder and all it holds.

    Returns:
        How many were open.

    Raises:
        SettingError: If one cannot be closed.
    """
    try:
        found = path.lstat()
        closed = _close(path, found)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                closed += sum(close_tree(Path(entry.path)) for entry in entries)
    except (FileNotFoundError, PermissionError):  # gone meanwhile, or not this user's
        return 0
    return closed


def _close(path: Path, found: os.stat_result) -> int:
    mode = stat.S_IMODE(found.st_mode)
    is_key = path.suffix == ".pem"  # refused while it is open, as somebody may have copied it
    if is_key or stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
        return 0
    if not mode & _OTHERS:
        return 0
    path.chmod(mode & ~_OTHERS)
    if path.stat().st_mode & _OTHERS:
        msg = (
            f"Other users of this machine can use {path}, and its file system lets nobody change "
            "that, so nothing was started. Set FAIRWIND_HOME to a folder on a local disk."
        )
        raise SettingError(msg)
    return 1
