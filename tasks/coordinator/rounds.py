"""The tasks that drive the engine: `tick`, `accept` a receipt, let a worker `join`, `check_run`."""

from __future__ import annotations

from pydantic import ValidationError

from common.clock import wall_now
from common.errors import FairwindError
from common.log import get_logger
from common.messages import Heartbeat, Receipt
from scheduler.policies.policy import find_policy
from scheduler.rounds.observations import heartbeat_events
from scheduler.rounds.progress import stands_still
from tasks.app import app
from tasks.coordinator.coordinator import Coordinator, coordinator
from tasks.coordinator.run_check import RunCheck, answer
from tasks.messaging.heartbeats import read_heartbeats
from tasks.messaging.queues import queue, send
from tasks.roles import SITE_PREFIX

_log = get_logger(__name__)


@app.task(name="tick")
def tick() -> None:
    """Take every run as far as it can go now."""
    coordinator().engine.advance()


@app.task(name="accept", pydantic=True, pydantic_strict=False, throws=(ValidationError,))
def accept(receipt: Receipt) -> None:
    """Take one receipt; where its round waits for nobody any more, go on at once."""
    c = coordinator()
    if c.engine.receive(receipt) is None:
        return
    state = c.ledger.state()
    run = state.runs[receipt.run]
    if run.open_round is not None and stands_still(state, run, wall_now()):
        send("tick", queue("coordinator"), shown=f"{run.id}, round {run.open_round.number}")


@app.task(name="check_run", pydantic=True, pydantic_strict=False)
def check_run(check: RunCheck) -> None:
    """Answer whether a run could start here: its workload and its policy can be loaded."""
    c, fault = coordinator(), ""
    try:
        c.workbench.signature(check.spec.workload)
        find_policy(check.spec.policy)
    except FairwindError as error:
        fault = str(error)
    answer(c.broker, check, fault)


@app.task(name="join", pydantic=True, pydantic_strict=False)
def join(heartbeat: Heartbeat) -> None:
    """Greet a worker that has just started, and issue again what its predecessor may have lost."""
    c, client = coordinator(), heartbeat.client
    if client not in c.ledger.state().clients:
        _log.warning(
            "client.not_enrolled", client=client, host=heartbeat.host,
            remedy=f"fairwind enroll {client} --zone ZONE",
        )  # fmt: skip
        return
    c.engine.world.record(
        lambda state: heartbeat_events({client: state.clients[client]}, {client: heartbeat})
    )
    run = c.ledger.state().working_for(client)
    if run is not None and _has_nothing(c, client):
        c.engine.reissue(run.id, [client], "worker_restarted")
    c.engine.advance()


def _has_nothing(c: Coordinator, client: str) -> bool:
    """Return whether a client neither works nor has an assignment waiting in its queue."""
    now = read_heartbeats(c.broker, [client]).get(client)
    return not (now and now.busy) and not c.broker.llen(SITE_PREFIX + client)
