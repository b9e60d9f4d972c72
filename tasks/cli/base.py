"""What verbs about the federation share: the ledger, the view of a run, waking the coordinator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common import settings as settings_
from common.errors import LedgerError
from common.units import show_duration

if TYPE_CHECKING:
    from common.settings import Settings
    from scheduler.federation.federation import Federation
    from scheduler.federation.opening import FederationLedger, FederationReader
    from scheduler.status.drivers import Drivers
    from tasks.messaging.refusals import Refusal


def ledger_to_read() -> FederationReader:
    """Open the coordinator's ledger to read."""
    from scheduler.federation.opening import read_ledger  # noqa: PLC0415 - loads a database

    return read_ledger(settings_.load().ledger)


def ledger_to_append(*, create: bool = False) -> FederationLedger:
    """Open the coordinator's ledger to append; `create` makes one where there is none.

    Raises:
        LedgerError: If there is none and none is to be made, or a coordinator runs without it.
    """
    from scheduler.federation.opening import open_ledger  # noqa: PLC0415 - loads a database
    from scheduler.ledger.database import file_identity, sqlite_path  # noqa: PLC0415 - (the same)

    ours = settings_.load()
    if create and file_identity(ours.ledger) is None:
        coordinator = drivers_now().coordinator
        if coordinator.state == "running":
            msg = (
                f"There is no ledger at {sqlite_path(ours.ledger)}, but a coordinator is running: "
                "its ledger was moved, or is elsewhere. Nothing was recorded. Put it back, or set "
                "FAIRWIND_HOME to the coordinator's folder. If it was stopped just now, wait "
                f"{show_duration(ours.silent_after_s)}."
            )
            raise LedgerError(msg)
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
    seen["refused"] = [
        {**each.model_dump(mode="json"), "sentence": each.sentence()} for each in _refused(ours)
    ]
    return seen


def _refused(ours: Settings) -> tuple[Refusal, ...]:
    """Return the messages that the coordinator refused, by kind, the newest first."""
    from tasks.messaging.refusals import Refusals, refusals_file  # noqa: PLC0415 - few verbs look

    return Refusals(refusals_file(ours.folder)).read()


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
