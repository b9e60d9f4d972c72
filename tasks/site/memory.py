"""What a site remembers of each run between two updates: files under the names the ledger keeps.

A state counts only once the ledger says so: the next assignment then names it as the one to start
from, and what is older is deleted. Until then both are kept, so that an assignment that is issued
again starts from the same state.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from common.disk import writing_to
from common.files import file_sha256, replace_synced
from common.log import get_logger
from common.messages import Assignment
from common.units import show_bytes
from tasks.site.site_files import sweep
from tasks.site.tensor_header import read_header

_log = get_logger(__name__)

_KEPT_S = 30 * 86_400.0
"""So long after its last update a run's memory is kept: no message says that a run is over."""

_SUFFIX = ".safetensors"

_DIGITS = 10
"""Of a round's number in a file's name, so that names sort as rounds do."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One state that a site keeps.

    Attributes:
        run: Of which run.
        round: The round whose update left it.
        sha256: Its name: the SHA-256 of its bytes.
        kinds: What its tensors are for.
        kept_until: When it is deleted, unless the run brings work before.
    """

    run: str
    round: int
    sha256: str
    kinds: tuple[str, ...]
    nbytes: int
    kept_until: datetime


class SiteMemory:
    """The states of one client, a folder a run.

    Args:
        folder: Holds all of them; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, assignment: Assignment) -> Path | None:
        """Return the state that an assignment is to start from, and forget what it supersedes.

        What an assignment of this round or a later one left stays: one that comes twice, or late,
        must not take away what the ledger may name next.

        Returns:
            The file; `None` if the assignment names none, or it is not here or not whole.
        """
        named = assignment.memory
        wanted = None if named is None else self.path(assignment.run, named.round, named.sha256)
        for path in self._of(assignment.run):
            if path != wanted and _round(path) < assignment.round:
                path.unlink(missing_ok=True)
        if wanted is None or named is None or not wanted.exists():
            return None
        return wanted if file_sha256(wanted) == named.sha256 else None

    def keep(self, assignment: Assignment, write: Callable[[Path], None]) -> str:
        """Keep what `write` writes to a path, and return its name.

        It is on disk, through a power failure too, before this returns: the receipt names it.

        Raises:
            StorageError: If the disk is full.
        """
        folder = self.folder_of(assignment.run)
        with writing_to(folder, f"what the site remembers of {assignment.run}"):
            self._forget_old_runs()
            sweep(folder)
            partial = folder / f"{uuid4().hex}.part"
            try:
                write(partial)
                name = file_sha256(partial)
                replace_synced(partial, self.path(assignment.run, assignment.round, name))
            finally:
                partial.unlink(missing_ok=True)
        return name

    def shortage(self, nbytes: int) -> str | None:
        """Return why there is no room for a state of so many bytes, `None` if there is."""
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free >= nbytes:
            return None
        return (
            f"The disk of {self._folder} has {show_bytes(free)} free, and what this run has to "
            f"remember there takes about {show_bytes(nbytes)}: free some at the site."
        )

    def held(self) -> list[Remembered]:
        """Return what is kept, by run and round; a file that is not whole is left out."""
        runs = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        return [
            found
            for run in runs
            for path in self._of(run.name)
            if (found := _read(path, datetime.fromtimestamp(self._kept_until(run.name), UTC)))
        ]

    def folder_of(self, run: str) -> Path:
        """Return the folder with what is kept of a run; it need not exist."""
        return self._folder / run

    def path(self, run: str, round_number: int, name: str) -> Path:
        """Return where the state is that the update of a round left."""
        return self.folder_of(run) / f"{round_number:0{_DIGITS}}-{name}{_SUFFIX}"

    def _of(self, run: str) -> list[Path]:
        return sorted(self.folder_of(run).glob(f"{'[0-9]' * _DIGITS}-*{_SUFFIX}"))

    def _forget_old_runs(self) -> None:
        for run in self._folder.iterdir():
            if time.time() > self._kept_until(run.name):
                _log.warning(
                    "memory.forgotten", run=run.name,
                    reason="the run has brought this site no work for 30 days",
                )  # fmt: skip
                shutil.rmtree(run, ignore_errors=True)

    def _kept_until(self, run: str) -> float:
        """Return until when a run's memory is kept, in s since 1970."""
        parts = (self.folder_of(run), *self._of(run))
        return max(path.stat().st_mtime for path in parts) + _KEPT_S


def _round(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _read(path: Path, kept_until: datetime) -> Remembered | None:
    try:
        _, tensors = read_header(path)
        nbytes = path.stat().st_size
    except (OSError, ValueError, KeyError):
        return None
    kinds = sorted({tensor.name.partition("/")[0] for tensor in tensors})
    name = path.stem.partition("-")[2]
    return Remembered(path.parent.name, _round(path), name, tuple(kinds), nbytes, kept_until)
