"""Giving a user the models of a run: its best and its last version as safetensors files."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from uuid import uuid4

from common.errors import LedgerError
from models.frozen import read_whole
from models.serialization import frozen_name, write_state
from scheduler.federation.run import Run
from scheduler.ledger.blobs import Blobs
from scheduler.status.exports import BEST, LAST, export_folder


def export_models(blobs: Blobs, home: Path, run: Run) -> Path:
    """Put copies of a run's last and best version into its folder, and return the folder.

    They are no links: whatever a user does to them, the blobs stay as they are.

    Raises:
        BlobError: If a version is missing or was altered.
        LedgerError: If they cannot be written there.
    """
    folder = export_folder(home, run.id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        for name, version in ((LAST, run.version), (BEST, run.best_version or run.version)):
            if version is not None:
                partial = folder / f"{name}.{uuid4().hex}.part"
                try:
                    _write(blobs, version, partial)
                    partial.replace(folder / name)
                finally:
                    partial.unlink(missing_ok=True)
    except OSError as error:
        msg = (
            f"The models of {run.id} could not be written to {folder} ({error.strerror}); they "
            "stay among the blobs. Make it a folder that the coordinator may write, then: "
            f"fairwind run export {run.id}"
        )
        raise LedgerError(msg) from error
    return folder


def _write(blobs: Blobs, version: str, path: Path) -> None:
    """Write the whole model of a version."""
    kept = blobs.whole(version)
    if frozen_name(kept) is None:
        shutil.copyfile(kept, path)
    else:
        write_state(read_whole(kept, blobs.whole), path)


def _sweep(folder: Path) -> None:
    """Remove the copies of processes that were killed before these were whole."""
    long_ago = time.time() - _GRACE_S
    for path in folder.glob("*.part"):
        if path.stat().st_mtime < long_ago:
            path.unlink(missing_ok=True)


_GRACE_S = 3600
"""A copy in which nothing was written for so long is nobody's any more."""
