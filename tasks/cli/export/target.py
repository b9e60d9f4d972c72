"""Where figures of a run are exported to."""

from __future__ import annotations

from typing import Protocol

from scheduler.export.followed import Followed
from scheduler.federation.federation import Federation
from scheduler.federation.run import Run


class Target(Protocol):
    """Takes the figures of one run, as often as there are new ones."""

    def write(self, followed: Followed, state: Federation, run: Run) -> None:
        """Write what is not there yet.

        Raises:
            ExportError: If it cannot be written there.
        """

    def close(self) -> None:
        """Let go of files and connections."""

    def describe(self) -> str:
        """Return what has been written and where, in one line."""
