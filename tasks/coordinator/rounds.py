"""The coordinator's tasks: `tick` looks at everything, `close` ends a round, `hello` greets."""

from __future__ import annotations

from pydantic import Field

from common.log import get_logger
from common.messages import NAME_PATTERN, Heartbeat, Message
from scheduler.rounds.news import presence_news
from tasks.app import app
from tasks.coordinator.closing import close_round, settle_open_rounds
from tasks.coordinator.coordinator import Coordinator, coordinator
from tasks.coordinator.lifecycle import end_finished_runs, open_new_runs
from tasks.coordinator.planning import plan_due_rounds, reissue, reissue_lost
from tasks.coordinator.scoring import score_versions
from tasks.coordinator.watch import watch
from tasks.roles import SITE_PREFIX

_log = get_logger(__name__)


class RoundName(Message):
    """Which round a task is about."""

    run: str = Field(pattern=NAME_PATTERN)
    round: int = Field(ge=1)


@app.task(name="tick")
def tick() -> None:
    """Look at everything once: who lives, what the grid says, what is lost, due or over."""
    c = coordinator()
    beats = watch(c)
    open_new_runs(c)
    reissue_lost(c, beats)
    settle_open_rounds(c)
    _carry_on(c)


@app.task(name="close", pydantic=True, pydantic_strict=False)
def close(name: RoundName) -> None:
    """Close a round that has all it waited for, and plan what comes next at once.

    Where the round is short of its quorum and nobody is left to answer, what comes next is to
    invite others.
    """
    c = coordinator()
    close_round(c, name.run)
    watch(c)
    _carry_on(c)


@app.task(name="hello", pydantic=True, pydantic_strict=False)
def hello(heartbeat: Heartbeat) -> None:
    """Greet a worker that has just started, and issue again what its predecessor may have lost."""
    c = coordinator()
    if heartbeat.client not in c.ledger.state().clients:
        _log.warning(
            "client.not_enrolled", client=heartbeat.client, host=heartbeat.host,
            remedy=f"fairwind enroll {heartbeat.client} --zone ZONE",
        )  # fmt: skip
        return
    with c.ledger.transaction() as tx:
        greeted = {heartbeat.client: tx.state.clients[heartbeat.client]}
        tx.append(*presence_news(greeted, {heartbeat.client: heartbeat}))
    now = watch(c).get(heartbeat.client)
    run = c.ledger.state().working_for(heartbeat.client)
    if run and not (now and now.busy) and not c.broker.llen(SITE_PREFIX + heartbeat.client):
        reissue(c, run.id, [heartbeat.client], "worker_restarted")
    _carry_on(c)


def _carry_on(c: Coordinator) -> None:
    """Plan what is due before scoring what is done: sites train while the coordinator scores."""
    end_finished_runs(c)
    plan_due_rounds(c)
    score_versions(c)
    end_finished_runs(c)
