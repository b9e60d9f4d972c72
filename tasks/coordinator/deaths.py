"""A workload that kills the coordinator's process is left out, so that other runs go on.

The process may be killed for its memory, or crash in native code: nothing is raised then, and the
next process would begin with the same work. So a file counts how often a run's work was begun
without coming to any end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import WorkerDiedError

TRIES = 3
"""So often a run's work is begun: a process may be killed by accident, but not each time."""


@contextmanager
def survived(folder: Path, run: str) -> Iterator[None]:
    """Count the work inside as begun, until it comes to an end.

    Args:
        folder: Of the counts, one file for each run.
        run: Whose workload is used inside.

    Raises:
        WorkerDiedError: Instead of the work, if the process died in it too often. The work may be
            tried again after that: the engine waits longer each time.
    """
    path = folder / run
    died = _read(path)
    if died >= TRIES:
        path.write_text(str(TRIES - 1))
        msg = (
            f"The coordinator's process died {died} times while it evaluated the workload, so the "
            "run waits. It may need more memory than there is: the coordinator's log names the "
            "signal. It is tried again less and less often, and when the coordinator restarts."
        )
        raise WorkerDiedError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(str(died + 1))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):  # it may have died as it wrote
        return 0
