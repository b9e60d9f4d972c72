"""Advising: work out what each site could do to emit less, and send it there once a grid day."""

from __future__ import annotations

from itertools import islice

import redis
from kombu.exceptions import OperationalError

from common.errors import LedgerMovedError
from common.keys import redis_key
from common.log import get_logger
from common.messages import AdviceNote
from scheduler.advice import SEEN_ROUNDS, Advice, RecentWork, gather, make_advice
from scheduler.advice.render import markdown
from scheduler.carbon.week import DAY
from scheduler.federation.client import Client
from scheduler.ledger.events import RoundPlanned
from tasks.app import app
from tasks.coordinator.coordinator import Coordinator, coordinator
from tasks.messaging.queues import client_queue, send
from tasks.roles import SITE_PREFIX

_log = get_logger(__name__)

_AT_ONCE = 5
"""Clients advised in one go: rounds must not wait. The others' turn comes with the next call."""


@app.task(name="advise_sites", throws=(LedgerMovedError,))
def advise_sites() -> None:
    """Send every site that is due its advice."""
    advise(coordinator())


def advise(c: Coordinator) -> None:
    """Send its advice to every client that lives, has an empty queue and had none for a grid day.

    What is lost on the way is not sent again that day: it can be asked for at any time with
    ``fairwind advice``.
    """
    try:
        _advise(c)
    except (redis.RedisError, OperationalError, OSError) as error:
        _log.warning("advice.not_sent", reason=str(error))


def _advise(c: Coordinator) -> None:
    state = c.ledger.state()
    due = list(islice((client for client in state.clients.values() if _due(c, client)), _AT_ONCE))
    if not due:
        return
    planned = c.ledger.newest(RoundPlanned.kind, limit=SEEN_ROUNDS)
    record = RecentWork.of(state, planned, c.blobs, c.clock.now())
    for client in due:
        made = make_advice(gather(state, record, c.grid, c.engine.world.rules.gate, client.id))
        send(
            "advise",
            client_queue(client.id),
            _note(made),
            shown=f"advice for {client.id}",
            signer=c.signer,
        )
        day_ms = max(1, round(c.clock.wall_seconds(DAY) * 1000))
        c.broker.set(_sent_key(client.id), made.at.isoformat(), px=day_ms)
        _log.info("advice.sent", client=client.id, lines=len(made.lines))


def _due(c: Coordinator, client: Client) -> bool:
    """Return whether a client may be advised: nothing may pile up where nobody reads it."""
    if client.retired or not client.alive or c.broker.exists(_sent_key(client.id)):
        return False
    return not c.broker.llen(SITE_PREFIX + client.id)


def _note(made: Advice) -> AdviceNote:
    return AdviceNote(client=made.client, at=made.at, card=markdown(made), figures=made.to_dict())


def _sent_key(client: str) -> str:
    return redis_key("advised", client)
