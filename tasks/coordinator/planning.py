"""Planning: turn the ledger's state into plans, and plans into assignments on queues."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

import redis
from kombu.exceptions import KombuError

from common.errors import SettingError
from common.failpoints import failpoint
from common.log import get_logger
from common.messages import Assignment, BlobRef, Heartbeat, Reason
from models.aggregation import grid_exponent
from scheduler.federation.federation import Run
from scheduler.federation.round import AssignmentState, lost
from scheduler.ledger.blobs import Blobs
from scheduler.ledger.event import Draft
from scheduler.ledger.events import AssignmentGivenUp, AssignmentReissued, RunWaiting
from scheduler.rounds.drafts import heaviest_weight, planned_body
from scheduler.rounds.progress import is_due, waiting_body, waiting_news
from scheduler.selection.plan import Plan, derive_seed, plan_round
from scheduler.selection.situation import take_in
from scheduler.selection.verdict_blob import keep_verdicts
from tasks.coordinator.coordinator import Coordinator
from tasks.messaging.queues import batch, client_queue, send
from tasks.roles import SITE_PREFIX

_log = get_logger(__name__)

_SHOWN = 20
"""So many of a cohort are named in the log; the ledger has all."""

dispatch_seconds: dict[tuple[str, int], float] = {}
"""How long this process took to put each open round's assignments on the queues, wall seconds."""


def plan_due_rounds(c: Coordinator) -> None:
    """Plan every round that is due, runs that waited longest first, and send its assignments."""
    for run in c.ledger.state().active_runs():
        begun = time.perf_counter()
        invited = plan_run(c, run.id)
        if invited:
            dispatch(c, run.id, invited)
            open_round = c.ledger.state().runs[run.id].open_round
            if open_round:
                dispatch_seconds[run.id, open_round.number] = time.perf_counter() - begun


def plan_run(c: Coordinator, run_id: str) -> list[str]:
    """Plan one run's next round, or more clients for its open one, if either is due."""
    state = c.ledger.state()
    if not is_due(state.runs[run_id], state.clients, c.clock.now()):
        return []
    with c.ledger.transaction() as tx:
        run = tx.state.runs[run_id]
        if not is_due(run, tx.state.clients, c.clock.now()):
            return []
        number = run.open_round.number if run.open_round else len(run.closed) + 1
        plan = _plan_or_wait(c, tx, run, number)
        if plan is None:
            return []
        body = planned_body(
            run,
            plan,
            valid_until=c.clock.now() + timedelta(hours=c.settings.valid_h),
            exponent=grid_exponent(run.spec.norm_bound, heaviest_weight(tx.state, run, plan)),
            verdicts=keep_verdicts(c.blobs, plan.verdicts),
        )
        tx.append(Draft(body, run=run_id, round=number))
    failpoint("round.planned")
    shown = ",".join(plan.cohort[:_SHOWN])
    _log.info("round.planned", run=run_id, round=number, invited=len(plan.cohort), first=shown)
    return list(plan.cohort)


def _plan_or_wait(c: Coordinator, tx: Any, run: Run, number: int) -> Plan | None:
    """Return a plan that invites somebody; else record why there is none."""
    try:
        plan = plan_round(
            run.spec,
            take_in(tx.state, run, c.grid, c.gate_rule, tx.grid_at, weights=c.score_weights),
            number=number,
            so_far=run.open_round,
        )
    except SettingError as error:
        _wait(tx, run, RunWaiting(reason="policy_failed", text=str(error)))
        return None
    if plan.cohort:
        return plan
    _wait(tx, run, waiting_body(plan, tx.grid_at))
    return None


def _wait(tx: Any, run: Run, waiting: RunWaiting) -> None:
    """Record why the round waits, once per change of the reasons."""
    news = waiting_news(run, waiting)
    if news and waiting.text:
        _log.error("round.not_planned", run=run.id, reason=waiting.text)
    tx.append(*news)


def reissue_lost(c: Coordinator, beats: Mapping[str, Heartbeat]) -> None:
    """Issue again what was lost with a process or with Redis; give it up after too many tries."""
    for run in c.ledger.state().active_runs():
        if run.open_round is None or run.open_round.manifest is not None:
            continue
        parts = [
            part for part in run.open_round.open_assignments() if _is_lost(c, run, part, beats)
        ]
        reissue(c, run.id, [part.client for part in parts], "lost")


def _is_lost(
    c: Coordinator, run: Run, part: AssignmentState, beats: Mapping[str, Heartbeat]
) -> bool:
    beat = beats.get(part.client)
    if beat is None or not lost(part, beat, f"{run.id}/{run.open_round and run.open_round.number}"):
        return False
    return not c.broker.llen(SITE_PREFIX + part.client) and not c.broker.llen("aggregation")


Lost = Literal["lost", "worker_restarted", "model_missing", "bytes_missing"]


def reissue(c: Coordinator, run_id: str, clients: Iterable[str], code: Lost) -> None:
    """Issue open assignments again, up to the settings' number of attempts."""
    again = []
    with c.ledger.transaction() as tx:
        run = tx.state.runs[run_id]
        for client in clients:
            part = run.open_round.cohort.get(client) if run.open_round else None
            if run.open_round is None or part is None or part.status != "open":
                continue
            spent = part.attempt + 1 >= c.settings.max_attempts
            payload = (
                _lost_too_often(part)
                if spent
                else AssignmentReissued(attempt=part.attempt + 1, code=code)
            )
            tx.append(Draft(payload, run=run_id, round=run.open_round.number, client=client))
            if not spent:
                again.append(client)
    for client in again:
        _log.warning("assignment.reissued", run=run_id, client=client, reason=code)
    dispatch(c, run_id, again)


def _lost_too_often(part: AssignmentState) -> AssignmentGivenUp:
    text = f"It was issued {part.attempt + 1} times and never answered."
    reason = Reason(code="lost_too_often", text=text)
    return AssignmentGivenUp(code="lost_too_often", reason=reason)


def dispatch(c: Coordinator, run_id: str, clients: Iterable[str]) -> None:
    """Put the assignments of these clients on their queues. What fails is issued again later."""
    state = c.ledger.state()
    run = state.runs[run_id]
    if run.open_round is None or not clients:
        return
    try:
        model = offer_model(c, run.open_round.base_version)
        shown = f"{run_id}/{run.open_round.number}"
        with batch() as together:
            for client in clients:
                zone = state.clients[client].zone
                assignment = make_assignment(c, run, client, zone=zone, model=model)
                send("train", client_queue(client), assignment, shown=shown, through=together)
    except (redis.RedisError, KombuError, OSError) as error:
        _log.error("assignment.not_sent", run=run_id, reason=str(error))


def offer_model(c: Coordinator, version: str) -> BlobRef:
    """Make sure that a version's bytes wait in the transport, and return their claim check."""
    ref = model_ref(c.blobs, version)
    return ref if c.transport.has(ref) else c.transport.put(ref.key, c.blobs.path(version), version)


def model_ref(blobs: Blobs, version: str) -> BlobRef:
    """Return the claim check of a version."""
    nbytes = blobs.path(version).stat().st_size
    return BlobRef(key=f"model.{version}", sha256=version, nbytes=nbytes)


def make_assignment(
    c: Coordinator, run: Run, client: str, *, zone: str, model: BlobRef
) -> Assignment:
    """Return what one client is asked to do in its run's open round."""
    round_ = run.open_round
    assert round_ is not None  # noqa: S101 - assignments are of open rounds, for the type checker
    part = round_.cohort[client]
    reading = c.grid.zone(zone, c.clock.now()).reading
    hyperparameters = run.spec.hyperparameters
    if part.epochs is not None:
        hyperparameters = hyperparameters.model_copy(update={"epochs": part.epochs})
    return Assignment(
        run=run.id, round=round_.number, client=client, attempt=part.attempt,
        workload=run.spec.workload, hyperparameters=hyperparameters, model=model,
        seed=derive_seed(run.spec.seed, run.id, round_.number, client), clock=c.clock,
        issued_at=part.issued_at, valid_until=round_.valid_until,
        intensity_gco2eq_per_kwh=reading.gco2eq_per_kwh if reading else None,
    )  # fmt: skip
