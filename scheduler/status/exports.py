"""Where the models of a run that ended are, if they are there."""

from __future__ import annotations

from pathlib import Path

from scheduler.federation.run import Run

BEST, LAST = "best.safetensors", "last.safetensors"


def export_folder(home: Path, run_id: str) -> Path:
    """Return the folder in FAIRWIND_HOME that gets a run's models."""
    return home / "runs" / run_id


def exported_model(home: Path, run: Run) -> str | None:
    """Return the file with a run's best version; `None` until the run has ended and it is there."""
    path = export_folder(home, run.id) / BEST
    return str(path) if run.ended_at is not None and path.is_file() else None
