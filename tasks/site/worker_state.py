"""What a site's worker was started with, for its administrator's commands."""

from __future__ import annotations

import os
from typing import Self

from pydantic import AwareDatetime, ValidationError

from common.clock import GridClock, wall_now
from common.messages import Message
from common.settings import Settings
from tasks.site.site_files import SiteFiles, hold


class Limits(Message):
    """What a site enforces itself. `clock` is the one against which it checks its hours."""

    site_windows: tuple[str, ...]
    site_ceiling_gco2eq_per_kwh: float | None
    site_max_training_s: float | None
    site_max_mb_per_day: float | None
    threads: int
    nice: int
    gpu: str
    workloads: tuple[str, ...]
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
    def announce(cls, settings: Settings, files: SiteFiles) -> int | None:
        """Say on disk that this process is the worker, until it ends, however it ends.

        Returns:
            The descriptor that holds the lock, to be closed in children; `None` if another process
            still holds it.
        """
        descriptor = hold(files.worker)
        if descriptor is not None:
            state = cls(started_at=wall_now(), pid=os.getpid(), limits=Limits.of(settings))
            os.ftruncate(descriptor, 0)
            os.write(descriptor, state.model_dump_json().encode())
        return descriptor

    @classmethod
    def last(cls, files: SiteFiles) -> WorkerState | None:
        """Return the worker that runs, or the last that did; `None` if it could not say so."""
        try:
            return cls.model_validate_json(files.worker.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
