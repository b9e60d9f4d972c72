"""Where the files are that a scenario names."""

from __future__ import annotations

import os
from pathlib import Path

from common.errors import SettingError


def find_file(path: Path, *, beside: Path | None = None) -> Path:
    """Return where a scenario's file is: as it stands, beside the scenario, or in FAIRWIND_DATA.

    Raises:
        SettingError: If it is nowhere.
    """
    data = os.environ.get("FAIRWIND_DATA")
    folders = [folder for folder in (beside, Path(data) if data else None) if folder is not None]
    for candidate in (path, *(folder / path for folder in folders)):
        if candidate.exists():
            return candidate.resolve()
    msg = (
        f"There is no file {path}, neither as it stands, nor beside the scenario, nor in "
        f"FAIRWIND_DATA ({data or 'not set'}), so nothing was simulated. "
        "See docs/data.md for where to get the data; let FAIRWIND_DATA name their folder, or "
        "correct the path."
    )
    raise SettingError(msg)
