"""Which workloads a site's administrator has approved, and which wait: one file of the site's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from common.files import replace_synced
from common.message import Message
from tasks.site.site_files import held

MOST_WAITING = 100
"""So many workloads wait at most: a coordinator cannot fill the disk with names."""


class Approval(Message):
    """A source of a workload that is approved."""

    workload: str
    source: str
    at: AwareDatetime


class Waiting(Message):
    """A source of a workload that waits, and the run that first wanted it."""

    workload: str
    source: str
    run: str
    since: AwareDatetime


class _Kept(Message):
    approved: list[Approval] = Field(default_factory=list)
    waiting: list[Waiting] = Field(default_factory=list)


class SiteApprovals:
    """What is approved and what waits, at one site."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "approvals.json"

    def approved(self, workload: str, source: str) -> bool:
        """Return whether the source of a workload is approved."""
        kept = self._read().approved
        return any((each.workload, each.source) == (workload, source) for each in kept)

    def waiting(self) -> list[Waiting]:
        """Return what waits, oldest first."""
        return self._read().waiting

    def note(self, workload: str, source: str, *, run: str, now: datetime) -> None:
        """Let a source wait that does not yet; what waits of the same workload is replaced."""
        with self._changing():
            kept = self._read()
            if any((each.workload, each.source) == (workload, source) for each in kept.waiting):
                return
            others = [each for each in kept.waiting if each.workload != workload]
            new = Waiting(workload=workload, source=source, run=run, since=now)
            self._write(kept.approved, [*others[-MOST_WAITING + 1 :], new])

    def approve(self, workload: str, source: str, *, now: datetime) -> bool:
        """Approve a source; return whether it was not approved before."""
        with self._changing():
            kept = self._read()
            waiting = [
                each for each in kept.waiting if (each.workload, each.source) != (workload, source)
            ]
            if any((each.workload, each.source) == (workload, source) for each in kept.approved):
                return False
            new = Approval(workload=workload, source=source, at=now)
            self._write([*kept.approved, new], waiting)
            return True

    def _read(self) -> _Kept:
        """Return what the file holds; nothing is approved by a file that cannot be read."""
        try:
            return _Kept.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return _Kept()

    def _write(self, approved: list[Approval], waiting: list[Waiting]) -> None:
        partial = self._path.with_suffix(".part")
        partial.write_text(_Kept(approved=approved, waiting=waiting).model_dump_json(indent=1))
        replace_synced(partial, self._path)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep the worker and a command from changing the file at the same time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with held(self._path.with_suffix(".lock")):
            yield
