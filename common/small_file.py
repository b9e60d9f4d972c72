"""Small files that others may have made: read whole, bounded, and never waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to is opened at once. An opener for `open`."""
    return os.open(path, flags | os.O_NONBLOCK)


def read_small(path: Path, most_nbytes: int) -> bytes:
    """Return what a regular file holds, and one byte more than the bound if it holds more.

    A pipe or a device is refused: who reads one may wait for ever, and a worker with it.

    Raises:
        OSError: If it cannot be read, or is no regular file.
        ValueError: If the path holds a zero byte.
    """
    with open(path, "rb", opener=without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read(most_nbytes + 1)
