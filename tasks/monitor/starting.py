"""What is being started on this machine: the page shows it until everything is up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FILE = "starting"
_FORGOTTEN_AFTER_S = 300.0
"""A note older than this is of a process that was killed."""


@contextmanager
def announced(home: Path, text: str) -> Iterator[None]:
    """Note in FAIRWIND_HOME what is being started, as long as that lasts."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / _FILE
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def starting(home: Path) -> str | None:
    """Return what is being started, in a sentence; `None` if nothing is."""
    file = home / _FILE
    with suppress(OSError):
        if time.time() - file.stat().st_mtime < _FORGOTTEN_AFTER_S:
            return file.read_text(encoding="utf-8")
    return None
