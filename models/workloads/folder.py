"""The folder of data sets that do not ship with Fairwind, named by FAIRWIND_DATA."""

from __future__ import annotations

import os
from pathlib import Path

from common.errors import WorkloadError


def data_file(workload: str, name: str) -> Path:
    """Return where a file of the folder is.

    Args:
        workload: Which needs it, for the error.
        name: Of the file, inside the folder.

    Raises:
        WorkloadError: If FAIRWIND_DATA is not set, or the file is not there.
    """
    folder = os.environ.get("FAIRWIND_DATA")
    if not folder:
        msg = (
            f"FAIRWIND_DATA names no folder, so the workload {workload} has no data. "
            f"Set it to the folder that holds {name}; see docs/data.md for where to get it."
        )
        raise WorkloadError(msg)
    path = Path(folder) / name
    if not path.is_file():
        msg = (
            f"There is no file {path}, so the workload {workload} has no data. "
            f"See docs/data.md for where to get it; put it there, or correct FAIRWIND_DATA."
        )
        raise WorkloadError(msg)
    return path
