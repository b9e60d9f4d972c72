"""The file that begins a grid clock: a demonstration's starts when everything in it is ready."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

_POLL_S = 0.01


def begun_at(file: Path) -> datetime | None:
    """Return the wall time at which the clock began; `None` if it has not begun."""
    try:
        return datetime.fromisoformat(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def begin(file: Path, at: datetime) -> None:
    """Let the clock begin at a wall time."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(at.isoformat(), encoding="utf-8")
    partial.replace(file)


def await_start(file: Path) -> None:
    """Wait until the clock begins; `is_awaited` is true from now on."""
    _marker(file).touch()
    while begun_at(file) is None:
        time.sleep(_POLL_S)


def is_awaited(file: Path) -> bool:
    """Return whether a process has done all it could before the clock begins."""
    return _marker(file).exists()


def _marker(file: Path) -> Path:
    return file.with_name(f"{file.name}.awaited")
