"""The one task a site works on: its file is locked meanwhile, and counts the deaths it caused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from common.errors import WorkerDiedError
from common.message import Message
from common.messages import Assignment
from tasks.site.site_files import held

TRIES = 3
"""So often an assignment is begun: a process may be killed by accident, but not each time."""


class _Begun(Message):
    """What is in work, and how often it was begun without coming to any end."""

    run: str
    round: int
    times: int


@contextmanager
def in_work(path: Path, assignment: Assignment) -> Iterator[None]:
    """Hold a site's task file while the block runs; if its process dies there, the file says so.

    Raises:
        WorkerDiedError: If the process died too often while it worked on this.
        OSError: If the file cannot be written: then nothing is begun.
    """
    with held(path) as descriptor:
        if descriptor is None:  # the process of a worker whose place this one took has it
            yield
            return
        _begin(descriptor, assignment)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)


def _begin(descriptor: int, assignment: Assignment) -> None:
    before = _read(descriptor)
    same = before is not None and (before.run, before.round) == (assignment.run, assignment.round)
    died = before.times if before is not None and same else 0
    if died >= TRIES:
        os.ftruncate(descriptor, 0)
        msg = (
            f"The site's process died {died} times while it worked on this, so it is not tried "
            "again. It may need more memory than there is; the log of the worker names the signal."
        )
        raise WorkerDiedError(msg)
    now = _Begun(run=assignment.run, round=assignment.round, times=died + 1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, now.model_dump_json().encode(), 0)


def _read(descriptor: int) -> _Begun | None:
    try:
        return _Begun.model_validate_json(os.pread(descriptor, 1024, 0))
    except ValidationError:
        return None
