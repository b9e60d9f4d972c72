"""Bytes of a model that somebody altered on their way to sites."""

from __future__ import annotations

from scheduler.federation.run import Run
from scheduler.status.names import SHOWN_NAMES, listed


def altered_models(run: Run) -> list[str]:
    """Return a sentence on who found the bytes of a run's model altered, if anybody did."""
    if not run.altered:
        return []
    names = listed(sorted(run.altered), most=SHOWN_NAMES)
    sentence = (
        f"Somebody alters bytes in Redis: {names} found a model other than the one that was sent, "
        f"last in round {max(run.altered.values())}. It is sent again from the coordinator's disk, "
        "and does not count against a site. Change the passwords of Redis, and give each site a "
        "user of its own (or see who writes to the folder of FAIRWIND_TRANSPORT)."
    )
    return [sentence]
