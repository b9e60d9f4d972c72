"""The task that takes receipts: check, store, sync, record, and only then forget the bytes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from common.clock import wall_now
from common.errors import TransportError, UpdateError
from common.failpoints import failpoint
from common.log import get_logger
from common.messages import Reason, Receipt, update_key
from models.update import check_update
from scheduler.federation.federation import Federation, Run
from scheduler.ledger.event import Draft
from scheduler.ledger.events import Admission, ReceiptPayload, UpdateAccepted, UpdateRefused, Work
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
    found = _weigh(c, receipt)
    if isinstance(found, _Again):
        reissue(c, receipt.run, [receipt.client], found.code)
        return
    if found == "unknown":
        _log.warning("receipt.ignored", run=receipt.run, client=receipt.client)
        return
    with c.ledger.transaction() as tx:
        if isinstance(found, Admission):
            found = found.model_copy(update={"accept_s": time.perf_counter() - begun})
        work = answered_body(
            tx.state, c.grid, c.clock, receipt,
            pulled_nbytes=_pulled_nbytes(c, tx.state.runs[receipt.run], receipt),
            network_kwh_per_gb=c.settings.network_kwh_per_gb,
        )  # fmt: skip
        payload = _payload(tx.state, receipt, work, found)
        tx.append(Draft(payload, run=receipt.run, round=receipt.round, client=receipt.client))
    failpoint("update.recorded")
    if receipt.update is not None and receipt.update.key == update_key(receipt):
        c.transport.delete(receipt.update)
    _log.info(payload.kind, run=receipt.run, round=receipt.round, client=receipt.client)
    _close_if_complete(c, receipt)


@dataclass(frozen=True, slots=True)
class _Again:
    """Bytes are missing, so the assignment is issued again."""

    code: Literal["model_missing", "bytes_missing"]


def _weigh(c: Coordinator, receipt: Receipt) -> Worth | Admission | Reason | _Again:
    """Return what a receipt is worth; of an update, what it counts for, or why it does not."""
    state = c.ledger.state()
    value: Worth = worth(state, receipt)
    missing = receipt.reason is not None and receipt.reason.code == "model_missing"
    if value == "settle" and missing:
        return _Again("model_missing")
    if value != "count":
        return value
    try:
        return _admit(c, state, receipt)
    except TransportError as error:
        _log.warning("update.not_received", client=receipt.client, reason=str(error))
        return _Again("bytes_missing")
    except UpdateError as error:
        _log.warning("update.refused", client=receipt.client, reason=str(error))
        return Reason(code="admission", text=str(error))


def _payload(
    state: Federation, receipt: Receipt, work: Work, found: Worth | Admission | Reason
) -> ReceiptPayload:
    """Return what to record: another process may have recorded something meanwhile."""
    value = worth(state, receipt)
    if isinstance(found, Admission | Reason):
        if value != "count":
            return event_kind(value, receipt)(work=work)
        if isinstance(found, Admission):
            return UpdateAccepted(work=work, admission=found)
        return UpdateRefused(work=work, refusal=found)
    still = "late" if found == "settle" and value != "settle" else found
    return event_kind(still, receipt)(work=work)


def _admit(c: Coordinator, state: Federation, receipt: Receipt) -> Admission:
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
