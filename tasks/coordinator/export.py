"""Giving a user the models of a run: its best and its last version as safetensors files."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from common.errors import LedgerError
from scheduler.federation.run import Run
from scheduler.ledger.blobs import Blobs
from scheduler.status.exports import BEST, LAST, export_folder


def export_models(blobs: Blobs, home: Path, run: Run) -> Path:
    """Put a run's last and best version into its folder, as hard links, and return the folder.

    Raises:
        LedgerError: If they cannot be written there.
    """
    folder = export_folder(home, run.id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, version in ((LAST, run.version), (BEST, run.best_version or run.version)):
            if version is not None:
                partial = folder / f"{name}.{uuid4().hex}.part"
                partial.hardlink_to(blobs.path(version))
                partial.replace(folder / name)
    except OSError as error:
        msg = (
            f"The models of {run.id} could not be written to {folder} ({error.strerror}); they "
            "stay among the blobs. Make it a folder that the coordinator may write, then: "
            f"fairwind run export {run.id}"
        )
        raise LedgerError(msg) from error
    return folder
