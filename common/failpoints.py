"""Named places where a fault test can stop a process, to kill it exactly there.

``FAIRWIND_FAILPOINT=name=/path`` makes the first process that reaches `name` create the file and
wait until it is killed, or until the file ``/path.go`` exists. Later visits pass. Without the
variable a failpoint costs one look-up.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

VARIABLE = "FAIRWIND_FAILPOINT"


def failpoint(name: str) -> None:
    """Wait here if a fault test stops a process at this point."""
    wanted, _, path = os.environ.get(VARIABLE, "").partition("=")
    if wanted != name:
        return
    marker = Path(path)
    try:
        marker.open("x").close()
    except FileExistsError:
        return
    while not marker.with_name(marker.name + ".go").exists():
        time.sleep(0.01)
