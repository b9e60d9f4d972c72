"""The task that takes receipts: check, store, sync, record, and only then forget the bytes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.clock import wall_now
from common.errors import TransportError, UpdateError
from common.failpoints import failpoint
from common.log import get_logger
from common.messages import Receipt, update_key
from models.update import check_update
from scheduler.federation.federation import Federation, Run
from scheduler.ledger.event import Draft
from scheduler.rounds.admission import admitted_body, counted_examples
from scheduler.rounds.drafts import answered_body
from scheduler.rounds.progress import stands_still
from scheduler.rounds.receipt import Worth, event_kind, worth
from tasks.app import app
from tasks.coordinator.coordinator import Coordinator, coordinator
from tasks.coordinator.planning import model_ref, reissue
from tasks.coordinator.rounds import RoundName
from tasks.messaging.queues import queue, send
from tasks.messaging.transport import altered, received

_log = get_logger(__name__)


@app.task(name="accept", pydantic=True, pydantic_strict=False, throws=(ValidationError,))
def accept(receipt: Receipt) -> None:
    """Take one receipt: count its update, or record why not."""
    c = coordinator()
    begun = time.perf_counter()
    kind, more = _weigh(c, receipt)
    if kind == "again":
        reissue(c, receipt.run, [receipt.client], more["code"])
        return
    if kind == "unknown":
        _log.warning("receipt.ignored", run=receipt.run, client=receipt.client)
        return
    with c.ledger.transaction() as tx:
        kind = _still(tx.state, receipt, kind)
        if kind == "update.accepted":
            more["timings"]["accept_s"] = time.perf_counter() - begun
        body = answered_body(
            tx.state, c.grid, c.clock, receipt,
            pulled_nbytes=_pulled_nbytes(c, tx.state.runs[receipt.run], receipt),
            network_kwh_per_gb=c.settings.network_kwh_per_gb,
        ) | more  # fmt: skip
        tx.append(
            Draft(kind, run=receipt.run, round=receipt.round, client=receipt.client, body=body)
        )
    failpoint("update.recorded")
    if receipt.update is not None and receipt.update.key == update_key(receipt):
        c.transport.delete(receipt.update)
    _log.info(kind, run=receipt.run, round=receipt.round, client=receipt.client)
    _close_if_complete(c, receipt)


def _weigh(c: Coordinator, receipt: Receipt) -> tuple[str, dict[str, Any]]:
    """Return the kind of event a receipt makes, and what the event holds beyond the facts."""
    state = c.ledger.state()
    value: Worth = worth(state, receipt)
    missing = receipt.reason is not None and receipt.reason.code == "model_missing"
    if value == "settle" and missing:
        return "again", {"code": "model_missing"}
    if value == "unknown":
        return value, {}
    if value != "count":
        return event_kind(value, receipt), {}
    try:
        return "update.accepted", _admit(c, state, receipt)
    except TransportError as error:
        _log.warning("update.not_received", client=receipt.client, reason=str(error))
        return "again", {"code": "bytes_missing"}
    except UpdateError as error:
        _log.warning("update.refused", client=receipt.client, reason=str(error))
        return "update.refused", {"reason": {"code": "admission", "text": str(error)}}


def _still(state: Federation, receipt: Receipt, kind: str) -> str:
    """Return `kind`, unless what another process recorded meanwhile makes it something else."""
    value = worth(state, receipt)
    if kind in ("update.accepted", "update.refused") and value != "count":
        return f"update.{value}"
    if kind.startswith("assignment.") and value != "settle":
        return "update.late"
    return kind


def _admit(c: Coordinator, state: Federation, receipt: Receipt) -> dict[str, Any]:
    """Receive an update's bytes, check them, and keep them as a blob.

    Raises:
        TransportError: If they are missing, or are not those the receipt speaks of.
        UpdateError: If they are, but are not an update that counts.
    """
    ref, run = receipt.update, state.runs[receipt.run]
    if ref is None or ref.key != update_key(receipt):
        msg = f"The receipt names no bytes of {receipt.client}'s own, so it is not counted."
        raise UpdateError(msg)
    limit = min(c.settings.max_update_bytes, c.workbench.update_nbytes(run.spec.workload))
    if ref.nbytes > limit:
        msg = (
            f"The update of {receipt.client} has {ref.nbytes} bytes where the model allows "
            f"{limit}, so it was not fetched and is not counted. Train the model that was pulled."
        )
        raise UpdateError(msg)
    num_examples = counted_examples(state, receipt)
    path, digest = c.blobs.receive(received(c.transport, ref))
    try:
        if digest != ref.sha256:
            raise TransportError(altered(ref))
        norm = _check(c, path, run.spec.workload, run.spec.norm_bound)
        failpoint("update.received")
        c.blobs.keep(path, digest)
        failpoint("update.stored")
    finally:
        path.unlink(missing_ok=True)
    return admitted_body(
        state, receipt, sha256=digest, nbytes=ref.nbytes, norm=norm, num_examples=num_examples,
        wall_now=wall_now(),
    )  # fmt: skip


def _check(c: Coordinator, path: Path, workload: str, norm_bound: float) -> float:
    return check_update(path, c.workbench.signature(workload), norm_bound=norm_bound)


def _pulled_nbytes(c: Coordinator, run: Run, receipt: Receipt) -> int:
    """Return the size of the model that was pulled for the work, 0 if none was."""
    if receipt.outcome == "declined" or run.version is None:
        return 0
    return model_ref(c.blobs, run.version).nbytes  # all versions of a run are of one size


def _close_if_complete(c: Coordinator, receipt: Receipt) -> None:
    run = c.ledger.state().runs[receipt.run]
    if run.open_round is not None and stands_still(c.ledger.state(), run, wall_now()):
        name = RoundName(run=run.id, round=run.open_round.number)
        send("close", queue("coordinator"), name, shown=f"{run.id}, round {run.open_round.number}")
