"""Where a site keeps what it remembers: one folder a client inside FAIRWIND_HOME."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from common.errors import SettingError
from common.file_lock import try_lock
from common.settings import Settings

_PAUSED = """This site is paused: its worker declines every assignment while this file is here.
To go on, delete it, or run: fairwind site resume
"""

_TRIES, _PAUSE_S = 20, 0.01
"""`fairwind site status` holds a lock for an instant to see whether it is free."""


class SiteFiles:
    """The files of one client, which its worker writes and its administrator's commands read.

    Attributes:
        folder: Holds all of them; it need not exist.
        frozen: Holds frozen parts of models, for all clients of this host.
    """

    def __init__(self, settings: Settings, client: str) -> None:
        self.folder = _all_sites(settings) / client
        self.frozen = settings.folder / "frozen"

    @property
    def worker(self) -> Path:
        """Locked by the worker while it runs; says what the worker was started with."""
        return self.folder / "worker.json"

    @property
    def task(self) -> Path:
        """Locked by the worker's child while it works on an assignment."""
        return self.folder / "task.lock"

    @property
    def memory(self) -> Path:
        """The folder with what the site remembers of each run."""
        return self.folder / "memory"

    @property
    def privacy(self) -> Path:
        """The folder with what its records have spent of their privacy."""
        return self.folder / "privacy"

    @property
    def heads(self) -> Path:
        """The folder with the heads of the coordinator's ledger, one file a ledger."""
        return self.folder / "heads"

    @property
    def clock(self) -> Path:
        """Says how far this machine's clock is ahead of Redis's, once they differ."""
        return self.folder / "clock.json"

    @property
    def paused_since(self) -> datetime | None:
        """When the site was paused; `None` if it is not. A reboot changes nothing."""
        try:
            changed = os.stat(self._paused).st_mtime  # noqa: PTH116 - raises as documented
        except FileNotFoundError:
            return None
        return datetime.fromtimestamp(changed, UTC)

    def pause(self) -> bool:
        """Pause the site, and return whether it was not paused before."""
        try:
            with self._paused.open("x", encoding="utf-8") as file:
                file.write(_PAUSED)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            return False
        return True

    def resume(self) -> bool:
        """End the pause, and return whether there was one."""
        try:
            self._paused.unlink()
        except FileNotFoundError:
            return False
        return True

    @property
    def _paused(self) -> Path:
        return self.folder / "paused"


def path_in(folder: Path, sha256: str) -> Path:
    """Return where a folder of frozen parts keeps one."""
    return folder / f"{sha256}.safetensors"


def sweep(folder: Path) -> None:
    """Remove from a folder of a site what a process left unfinished that was killed."""
    for path in folder.glob("*.part"):
        path.unlink(missing_ok=True)


def hold(path: Path) -> int | None:
    """Lock a file until its descriptor is closed or the process ends, however it ends.

    Returns:
        The descriptor; `None` if another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(_TRIES):
        if try_lock(descriptor):
            return descriptor
        time.sleep(_PAUSE_S)
    os.close(descriptor)
    return None


@contextmanager
def held(path: Path) -> Iterator[int | None]:
    """Hold the lock of a file for as long as the block runs; `None` if another process has it.

    Processes that are forked meanwhile, to load data, do not hold it with this one: they may
    outlive it by seconds, and the file says whether this one lives.
    """
    descriptor = hold(path)
    if descriptor is None:
        yield None
        return
    _held.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _held:
            _held.remove(descriptor)
            os.close(descriptor)


_held: set[int] = set()


def _let_go() -> None:
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock of a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def find_client(settings: Settings, named: str | None) -> str:
    """Return the client that a command is about: the named one, or the only one at home here.

    Raises:
        SettingError: If it is not clear which, or its worker has never run here.
    """
    home = _all_sites(settings)
    kept = home.iterdir() if home.is_dir() else ()
    known = sorted(path.name for path in kept if path.is_dir())
    if named in known or (named is None and len(known) == 1):
        return named or known[0]
    if known:
        fault = "none of them was named" if named is None else f"{named!r} is none of them"
        msg = (
            f"The sites of {settings.folder} are {', '.join(known)}, and {fault}, so nothing was "
            "done. Name one with --client, or in FAIRWIND_CLIENT."
        )
        raise SettingError(msg)
    msg = (
        f"No site's worker has run in {settings.folder} yet, so nothing was done. Set "
        "FAIRWIND_HOME to the folder of the site's worker."
    )
    raise SettingError(msg)


def _all_sites(settings: Settings) -> Path:
    return settings.folder / "site"
