"""The pauses that a user gave a run, played again at the same times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from scheduler.federation.run import Pause
from scheduler.ledger.event import Draft
from scheduler.ledger.events import RunPaused, RunResumed


class UserPauses:
    """Follows the pauses of one run on the grid clock; one that still lasts is left out."""

    def __init__(self, run: str, pauses: Sequence[Pause]) -> None:
        self._left = [
            (at, Draft(payload, run=run))
            for pause in pauses
            if pause.end is not None
            for at, payload in ((pause.start, RunPaused()), (pause.end, RunResumed()))
        ]

    @property
    def next_at(self) -> datetime | None:
        """When the user pauses or resumes the run next; `None` if never."""
        return self._left[0][0] if self._left else None

    def news(self, now: datetime) -> list[Draft]:
        """Return what the user did until `now`, once."""
        due = [draft for at, draft in self._left if at <= now]
        del self._left[: len(due)]
        return due
