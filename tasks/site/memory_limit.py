"""The most memory that a site lets one training allocate."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_WORDS = ("allocate memory", "not enough memory")


class MemoryIsUp(Exception):  # noqa: N818 - as TimeIsUp
    """A training needed more memory than its site allows."""


def in_memory(limit_nbytes: int | None, work: Callable[[], Result]) -> Result:
    """Do some work in so many bytes beyond what this process has now; `None` for no limit.

    The kernel refuses what goes beyond, so that the work fails and the process lives on. Processes
    that load data have the same limit each. Memory of a GPU is not counted.

    Raises:
        MemoryIsUp: If the work failed for want of memory.
    """
    used = _data_nbytes()
    if limit_nbytes is None or used is None:
        return work()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = used + limit_nbytes
    for known in (soft, hard):
        most = most if known == resource.RLIM_INFINITY else min(most, known)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        return work()
    except Exception as error:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        if _wants_memory(error):
            raise MemoryIsUp from error
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_nbytes() -> int | None:
    """Return what counts against the limit, of this process; `None` where that is not known."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    lines = [line.split() for line in status.splitlines() if line.startswith("VmData:")]
    return int(lines[0][1]) * 1024 if lines else None


def _wants_memory(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, says that there was no memory."""
    while error is not None:
        if isinstance(error, MemoryError) or any(word in str(error) for word in _WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False
