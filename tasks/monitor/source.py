"""The one place where the page touches the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from common.settings import Settings, load
from scheduler.federation import Federation
from scheduler.ledger import Ledger, open_ledger
from scheduler.view import view


class LedgerSource:
    """Views of the ledger that this process's settings name. It never creates one.

    The ledger is opened when it is first asked for, and again after the file was replaced, so
    Flower may start before the coordinator and outlive a ledger.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._given = settings
        self._ledger: Ledger | None = None
        self._file: tuple[int, int] | None = None

    def latest_seq(self) -> int:
        """Return the number of the ledger's last event.

        Raises:
            FairwindError: As `load_view`.
        """
        return self._current().latest_seq()

    def state(self) -> Federation:
        """Return everything the ledger says.

        Raises:
            FairwindError: As `load_view`.
        """
        return self._current().state()

    def load_view(self, run: str | None) -> dict[str, Any]:
        """Return what the page shows of `run`, or of the newest run if `None`.

        Raises:
            FairwindError: If a setting does not fit, there is no ledger, or it is of another
                version.
        """
        settings = self._settings
        return view(
            self.state(),
            run,
            clock=settings.clock,
            threshold=settings.threshold_gco2eq_per_kwh,
            ceiling=settings.ceiling_gco2eq_per_kwh,
        )

    def close(self) -> None:
        """Let go of the ledger, if it is open. The next question opens it again."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    @property
    def _settings(self) -> Settings:
        return self._given or load()

    def _current(self) -> Ledger:
        settings = self._settings
        file = _identity(settings.ledger)
        if self._ledger is not None and file == self._file:
            return self._ledger
        self.close()
        self._ledger = open_ledger(settings.ledger, settings.clock, create=False)
        self._file = file
        return self._ledger


def _identity(url: str) -> tuple[int, int] | None:
    """Return what tells the file behind `url` from a later one of the same name."""
    try:
        found = Path(make_url(url).database or "").stat()
    except (ArgumentError, OSError):  # whoever opens the ledger says what is wrong
        return None
    return found.st_dev, found.st_ino
