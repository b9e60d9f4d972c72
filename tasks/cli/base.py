"""What verbs about the federation share: the ledger, the view of a run, waking the coordinator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common import settings as settings_
from common.errors import LedgerError

if TYPE_CHECKING:
    from scheduler.federation.federation import Federation
    from scheduler.federation.opening import FederationLedger, FederationReader
    from scheduler.status.drivers import Drivers


def ledger_to_read() -> FederationReader:
    """Open the coordinator's ledger to read."""
    from scheduler.federation.opening import read_ledger  # noqa: PLC0415 - loads a database

    return read_ledger(settings_.load().ledger)


class FollowedLedger:
    """The coordinator's ledger, for a command that looks at it again and again."""

    def __init__(self) -> None:
        """Open it to read."""
        from scheduler.federation.opening import read_ledger  # noqa: PLC0415 - loads a database
        from scheduler.ledger.database import file_identity  # noqa: PLC0415 - (the same)

        self._url = settings_.load().ledger
        self._file = file_identity(self._url)
        self._reader = read_ledger(self._url)

    def reader(self) -> FederationReader:
        """Return the ledger.

        Raises:
            LedgerError: If its file was moved or replaced: nothing new would ever be in this one.
        """
        from scheduler.ledger.database import file_identity, sqlite_path  # noqa: PLC0415 - loads a database

        if file_identity(self._url) != self._file:
            msg = (
                f"The ledger {sqlite_path(self._url)} was moved, deleted or replaced, so nothing "
                "new can be seen here. Put it back, or start this command again."
            )
            raise LedgerError(msg)
        return self._reader


def ledger_to_append(*, create: bool = False) -> FederationLedger:
    """Open the coordinator's ledger to append; `create` makes one where there is none."""
    from scheduler.federation.opening import open_ledger  # noqa: PLC0415 - loads a database

    ours = settings_.load()
    return open_ledger(ours.ledger, ours.clock, create=create)


def current_view(state: Federation, run_id: str | None) -> dict[str, Any]:
    """Return the view of a run, or of the newest one, under this process's settings."""
    from scheduler.status.exports import exported_model  # noqa: PLC0415 - few verbs look
    from scheduler.status.view import view  # noqa: PLC0415 - (the same)

    ours = settings_.load()
    seen = view(
        state, run_id, clock=ours.clock, threshold=ours.threshold_gco2eq_per_kwh,
        ceiling=ours.ceiling_gco2eq_per_kwh, drivers=drivers_now(),
    )  # fmt: skip
    if seen["run"]:
        seen["run"]["model"] = exported_model(ours.folder, state.runs[seen["run"]["id"]])
    return seen


def drivers_now() -> Drivers:
    """Return when coordinator, beat and Redis were last seen."""
    from tasks.messaging.drivers import DriverWatch  # noqa: PLC0415 - loads redis, few verbs look

    return DriverWatch().look(settings_.load())


def wake() -> bool:
    """Wake the coordinator, and return whether the message could be sent."""
    from kombu.exceptions import OperationalError  # noqa: PLC0415 - loads celery, few verbs send

    from tasks.messaging.queues import queue, send  # noqa: PLC0415 - (the same)

    try:
        send("tick", queue("coordinator"))
    except (OperationalError, OSError):
        return False
    return True
