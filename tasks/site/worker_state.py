"""What a site's worker was started with, for its administrator's commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, ValidationError

from common.clock import GridClock, wall_now
from common.message import Message
from common.settings import Settings
from tasks.site.site_files import SiteFiles, hold


class Limits(Message):
    """What a site enforces itself. `clock` is the one against which it checks its hours."""

    site_windows: tuple[str, ...]
    site_ceiling_gco2eq_per_kwh: float | None
    site_max_training_s: float
    site_max_mb_per_day: float | None
    threads: int
    nice: int
    gpu: str
    device: str
    workloads: tuple[str, ...]
    site_clock: Literal["own", "assigned"]
    site_policy: Path | None
    clock: GridClock

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the limits that the settings name."""
        return cls(**{name: getattr(settings, name) for name in cls.model_fields})


class WorkerState(Message):
    """A worker that runs, or the last one that did."""

    started_at: AwareDatetime
    pid: int
    limits: Limits

    @classmethod
    def last(cls, files: SiteFiles) -> WorkerState | None:
        """Return the worker that runs, or the last that did; `None` if it could not say so."""
        try:
            return cls.model_validate_json(files.worker.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


class WorkerLock:
    """Says on disk that this process is the worker, until it ends, however it ends."""

    def __init__(self, settings: Settings, files: SiteFiles) -> None:
        """Prepare to say so, as of now; nothing is written yet."""
        self._files = files
        self._descriptor: int | None = None
        self._state = WorkerState(
            started_at=wall_now(), pid=os.getpid(), limits=Limits.of(settings)
        )

    def take(self) -> None:
        """Take the lock, unless it is held already: here, or by a worker that stands still."""
        if self._descriptor is not None:
            return
        descriptor = self._descriptor = hold(self._files.worker)
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, self._state.model_dump_json().encode())

    def leave_to_parent(self) -> None:
        """Let go of it in a child, which must not look like the worker if it outlives that."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
