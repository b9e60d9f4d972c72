"""A site's own reading of its grid's carbon intensity, from a file that a job of its own writes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from common.small_file import read_small
from common.units import show_duration

_LARGEST_NBYTES = 1 << 16

_AHEAD = timedelta(minutes=5)
"""The job's clock may be so far ahead of this machine's."""


class _Reading(BaseModel):
    """What the file holds; the job may write more than that."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    gco2eq_per_kwh: float = Field(ge=0, le=5000)
    at: AwareDatetime


class OwnReading:
    """What the file says now.

    Attributes:
        gco2eq_per_kwh: The intensity; `None` if it is unknown.
        fault: Why it is unknown, as the end of a sentence; empty if it is known.
    """

    def __init__(self, path: Path, *, max_age_s: float, now: datetime) -> None:
        """Read the file.

        Args:
            path: The file: ``{"gco2eq_per_kwh": 120, "at": "2026-07-08T12:00:00Z"}``.
            max_age_s: An older reading counts as unknown, s.
            now: On the clock of this machine.
        """
        self.gco2eq_per_kwh: float | None = None
        self.fault = ""
        try:
            found = _Reading.model_validate_json(read_small(path, _LARGEST_NBYTES))
        except OSError as error:
            self.fault = f"its own reading cannot be read: {error.strerror}"
            return
        except (ValidationError, ValueError):
            self.fault = "its own reading is not what it should be"
            return
        age = now - found.at
        if age > timedelta(seconds=max_age_s) or age < -_AHEAD:
            old = age.total_seconds()
            when = f"{show_duration(old)} old" if old > 0 else "of a time to come"
            self.fault = f"its own reading is {when}, and may be {show_duration(max_age_s)} old"
            return
        self.gco2eq_per_kwh = found.gco2eq_per_kwh
