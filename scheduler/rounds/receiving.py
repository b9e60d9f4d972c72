"""Receiving: what a site's answer counts for, recorded before its bytes are forgotten."""

from __future__ import annotations

import time

from common.errors import TransportError, UpdateError
from common.failpoints import failpoint
from common.log import get_logger
from common.messages import Reason, Receipt
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.events import (
    Payload,
    ReceiptPayload,
    UpdateAccepted,
    UpdateRefused,
    UpdateRestored,
    WorkRecord,
)
from scheduler.ledger.events.assignment import ReissueCode
from scheduler.rounds.admission import counted_examples, make_admission
from scheduler.rounds.collection import reissue
from scheduler.rounds.payloads import part_of, work_record
from scheduler.rounds.receipt import uncounted_payload, worth
from scheduler.rounds.work_time import WorkTime, work_time
from scheduler.rounds.world import World

_log = get_logger(__name__)

_UNPULLED: dict[str, ReissueCode] = {
    "model_missing": "model_missing",
    "model_altered": "model_altered",
}
"""The reasons of sites that could not pull the model: none of them is the site's fault."""


def receive(world: World, receipt: Receipt) -> Payload | None:
    """Take one receipt: count its update, or record why not.

    Returns:
        What it made known; `None` if nothing.
    """
    begun = time.perf_counter()
    value = worth(world.history.state, receipt)
    if value == "unknown":
        _log.warning("receipt.ignored", run=receipt.run, client=receipt.client)
        return None
    if value == "settle" and receipt.reason and (code := _UNPULLED.get(receipt.reason.code)):
        part = part_of(world.history.state, receipt)
        if part is not None and code == "model_altered":
            world.learning.check_in_flight(world.run(receipt.run), part.base_version)
        reissue(world, receipt.run, [receipt.client], code)
        return None
    admitted, refused = None, ""
    if value == "count":
        try:
            counted_examples(world.history.state, receipt)
            admitted = world.learning.admit(world.run(receipt.run), receipt)
        except TransportError:
            reissue(world, receipt.run, [receipt.client], "bytes_missing")
            return None
        except UpdateError as error:
            refused = str(error)
    time_of_work = work_time(world.history.state, world.clock, receipt)
    done = _work(world, receipt, time_of_work)

    def received(state: Federation) -> list[Draft]:
        # Another process may have recorded the same answer, or closed the round, meanwhile.
        now = worth(state, receipt)
        payload: ReceiptPayload
        if now == "count" and admitted is not None:
            admission = make_admission(
                state, receipt, sha256=admitted.sha256, nbytes=admitted.nbytes, norm=admitted.norm,
                num_examples=counted_examples(state, receipt), wall_now=world.clock.wall(),
                started_at=time_of_work.started_at, accept_s=time.perf_counter() - begun,
            )  # fmt: skip
            part = part_of(state, receipt)
            counts = UpdateRestored if part and part.update_lost else UpdateAccepted
            payload = counts(work=done, admission=admission)
        elif now == "count" and refused:
            payload = UpdateRefused(work=done, refusal=Reason(code="admission", text=refused))
        else:
            # Others may have brought it to the most answers that are recorded: this is one more.
            known = "late" if now in ("count", "unknown") else now
            payload = uncounted_payload(known, receipt)(work=done)
        return [Draft(payload, receipt.run, receipt.round, receipt.client)]

    (draft,) = world.record(received)
    failpoint("update.recorded")
    world.work.settled(receipt)
    return draft.payload


def _work(world: World, receipt: Receipt, done: WorkTime) -> WorkRecord:
    """Return what a receipt reports: what was used, when, and what that emitted."""
    pulled, run = receipt.outcome != "declined", world.run(receipt.run)
    frozen = pulled and receipt.frozen_nbytes > 0
    return work_record(
        world.history.state, world.grid, world.clock, receipt, done=done,
        pulled_nbytes=world.learning.pulled_nbytes(run) if pulled else 0,
        frozen_nbytes=world.learning.most_frozen_nbytes(run) if frozen else 0,
        network_kwh_per_gb=world.rules.network_kwh_per_gb,
    )  # fmt: skip
