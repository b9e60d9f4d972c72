"""Locks of files: held while a descriptor is open, and let go however its process ends."""

from __future__ import annotations

import fcntl


def lock(descriptor: int) -> None:
    """Lock an open file, and wait until that is possible; closing the descriptor lets go."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file without waiting, and return whether that was possible.

    Args:
        descriptor: Of the open file; closing it lets go.
        shared: Only look whether somebody holds it: such looks do not shut each other out.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
