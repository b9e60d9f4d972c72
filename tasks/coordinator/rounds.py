"""The tasks that drive the engine: `tick`, `accept` a receipt, let a worker `join`, `check_run`."""

from __future__ import annotations

import shutil
from typing import Any

from pydantic import ValidationError

from common.clock import wall_now
from common.envelope import COORDINATOR
from common.errors import FairwindError, LedgerMovedError
from common.log import get_logger
from common.messages import Heartbeat, Reason, Receipt, read_receipt
from models.heap import trim_heap
from scheduler.ledger.bias_choice import choose_bias, is_open
from scheduler.policies.policy import find_policy
from scheduler.rounds.observations import heartbeat_events
from scheduler.rounds.opening import check_goal, check_metrics
from scheduler.rounds.progress import stands_still
from scheduler.rounds.receipt import worth
from tasks.app import app
from tasks.coordinator.coordinator import Coordinator, coordinator
from tasks.coordinator.envelopes import why_no_answer, why_not_awaited
from tasks.coordinator.run_check import CheckReply, RunCheck, answer, progress_of
from tasks.messaging.heartbeats import clock_ahead_s, read_heartbeats
from tasks.roles import SITE_PREFIX

_log = get_logger(__name__)

_AGAIN: dict[str, Any] = {"retry_on_worker_lost": True, "max_retries": 1, "default_retry_delay": 0}
"""A task whose process dies is taken again at once; what dies twice, the next tick finds lost."""

_EXPECTED: dict[str, Any] = {"throws": (LedgerMovedError, ValidationError)}
"""One line of the log, without a traceback. A worker whose ledger was moved stops then."""


@app.task(name="tick", **_AGAIN, **_EXPECTED)
def tick() -> None:
    """Take every run as far as it can go now; first remove what killed processes left behind."""
    c = coordinator()
    _sweep(c)
    c.redis_users.follow(c.ledger.state())
    c.engine.advance()


def _sweep(c: Coordinator) -> None:
    try:
        swept = c.blobs.sweep()
    except OSError as error:
        _log.warning("incoming.not_swept", reason=str(error))
        return
    if swept:
        _log.info("incoming.swept", left_behind=swept)


@app.task(name="accept", bind=True, **_AGAIN, **_EXPECTED)
def accept(self: Any, body: object) -> None:
    """Take one receipt; where its round waits for nobody any more, go on at once, in this task."""
    c = coordinator()
    taken = c.inbox.take("accept", body)
    receipt = c.inbox.read("accept", body, taken, read_receipt) if taken else None
    if taken is None or receipt is None:
        return
    state = c.ledger.state()
    reason = why_no_answer(state, taken, receipt) or why_not_awaited(state, receipt)
    if reason is not None:
        c.inbox.refuse("accept", body, reason)
        return
    _accept(c, receipt, again=bool(self.request.retries))
    c.inbox.done(taken)


def _accept(c: Coordinator, receipt: Receipt, *, again: bool) -> None:
    """Take a receipt; `again` if the process that took it before was killed."""
    # A process that was killed may have recorded it before: then it is no second answer.
    recorded = again and worth(c.ledger.state(), receipt) == "duplicate"
    if not recorded and c.engine.receive(receipt) is None:
        return
    state = c.ledger.state()
    run = state.runs[receipt.run]
    now, grid_now = wall_now(), c.engine.world.clock.grid()
    if run.open_round is not None and stands_still(state, run, now, grid_now=grid_now):
        c.engine.advance()


@app.task(name="check_run", **_AGAIN, **_EXPECTED)
def check_run(body: object) -> None:
    """Answer whether a run could start here: whatever it names can be loaded and fits."""
    c = coordinator()
    taken = c.inbox.take("check_run", body)
    if taken is None:
        return
    if taken.header is not None and taken.header.issuer != COORDINATOR:
        text = "only the coordinator's own commands may check a run"
        c.inbox.refuse("check_run", body, Reason(code="not_the_coordinator", text=text))
        return
    _check_run(c, RunCheck.model_validate(taken.payload))
    c.inbox.done(taken)


def _check_run(c: Coordinator, check: RunCheck) -> None:
    spec, chosen = check.spec, ""
    try:
        find_policy(spec.policy)
        if is_open(spec):
            spec, chosen = choose_bias(
                spec, clients=len(c.ledger.state().enrolled()),
                version_nbytes=c.workbench.version_nbytes(spec),
                free_nbytes=shutil.disk_usage(c.settings.folder).free,
            )  # fmt: skip
        c.workbench.check_workload(spec)
        c.workbench.lower_is_better(spec, spec.metric)
        found = c.workbench.first_metrics(
            spec, c.blobs, on_batch=progress_of(c.broker, check, signer=c.signer)
        )
        if found is not None:
            check_metrics(spec, found)
        if spec.goal is not None:
            stated = c.workbench.lower_is_better(spec, spec.goal.metric)
            check_goal(spec, found or {}, stated_lower=stated)
    except FairwindError as error:
        answer(c.broker, check, CheckReply(fault=str(error)), signer=c.signer)
    else:
        reply = CheckReply(fault="", spec=spec, chosen=chosen)
        answer(c.broker, check, reply, signer=c.signer)
    trim_heap()  # several models were built to look at them


@app.task(name="join", **_AGAIN, **_EXPECTED)
def join(body: object) -> None:
    """Greet a worker that has just started, and issue again what its predecessor may have lost."""
    c = coordinator()
    taken = c.inbox.take("join", body)
    heartbeat = c.inbox.read("join", body, taken, Heartbeat.model_validate) if taken else None
    if taken is None or heartbeat is None:
        return
    if taken.header is not None and taken.client != heartbeat.client:
        text = f"{taken.client} signed a heartbeat of {heartbeat.client}"
        c.inbox.refuse("join", body, Reason(code="other_client", text=text))
        return
    if not c.joins.allows(heartbeat.client):
        text = f"the worker of {heartbeat.client} says too often that it starts; look at its log"
        c.inbox.refuse("join", body, Reason(code="too_often", text=text))
        return
    _join(c, heartbeat)
    c.inbox.done(taken)


def _join(c: Coordinator, heartbeat: Heartbeat) -> None:
    client = heartbeat.client
    if client not in c.ledger.state().clients:
        _log.warning(
            "client.not_enrolled", client=client, host=heartbeat.host,
            remedy=f"fairwind enroll {client} --zone ZONE",
        )  # fmt: skip
        return
    ahead_s = clock_ahead_s(c.broker)
    c.engine.world.record(
        lambda state: heartbeat_events(
            {client: state.clients[client]}, {client: heartbeat}, clock_ahead_s=ahead_s
        )
    )
    run = c.ledger.state().working_for(client)
    if run is not None and _has_nothing(c, client):
        c.engine.reissue(run.id, [client], "worker_restarted")
    c.engine.advance()


def _has_nothing(c: Coordinator, client: str) -> bool:
    """Return whether a client neither works nor has an assignment waiting in its queue."""
    now = read_heartbeats(c.broker, [client], keys=c.keys()).get(client)
    return not (now and now.busy) and not c.broker.llen(SITE_PREFIX + client)
