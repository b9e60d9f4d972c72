"""Sites that lost what they were to remember of a run, and started afresh."""

from __future__ import annotations

from scheduler.federation.run import Run

_NAMED = 3
"""So many sites are named; the others are counted."""


def lost_memory(run: Run) -> list[str]:
    """Return a sentence on the sites that lost what they remembered, if any did."""
    lost = sorted(run.memory_lost.items(), key=lambda item: (-item[1], item[0]))
    if not lost:
        return []
    named = [f"{client} before its update of round {number}" for client, number in lost[:_NAMED]]
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    sentence = (
        f"What a site remembered of this run was lost there: {', '.join(named)}{more}. It started "
        "afresh. Look at the disk of its FAIRWIND_HOME, and whether that folder was replaced."
    )
    return [sentence]
