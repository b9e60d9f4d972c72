"""A disk that is full: named, with what is free and what is needed."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import StorageError
from common.units import show_bytes

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing_to(folder: Path, what: str, *, nbytes: int | None = None) -> Iterator[None]:
    """Let a full disk below this be an error that says which, and what to do.

    Args:
        folder: Where is written; it is made if it is not there.
        what: What is written, as the sentence names it: "updates". It names no site, so that the
            sentence stays the same whichever of them is tried next.
        nbytes: How much of it there is, if that is known: then nothing is begun without room.

    Raises:
        StorageError: If the disk is full, or a quota is used up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if nbytes is not None and shutil.disk_usage(folder).free < nbytes:
        raise StorageError(_sentence(folder, what, nbytes))
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageError(_sentence(folder, what, nbytes)) from None


def _sentence(folder: Path, what: str, nbytes: int | None) -> str:
    free = shutil.disk_usage(folder).free
    room, least = f"{show_bytes(free)} are free", "some of it"
    if nbytes is not None and nbytes > free:
        room += f" and {show_bytes(nbytes)} are needed"
        least = f"at least {show_bytes(nbytes - free)}"
    elif nbytes is not None:
        room += ", but it takes no more: a quota may be used up"
    return (
        f"The disk of {folder} is full: {room}, so {what} cannot be stored. Free {least}; then it "
        "goes on by itself."
    )
