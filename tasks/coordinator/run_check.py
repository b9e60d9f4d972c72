"""A check of a run before it starts: the command line asks the coordinator, which answers in Redis.

Only the coordinator knows which workloads it may load and whether they can be. Nothing of this is
kept: a run that is refused leaves no event. Loads no torch, as the command line does not.
"""

from __future__ import annotations

from uuid import uuid4

import redis
from kombu.exceptions import OperationalError
from pydantic import Field

from common.messages import Message
from common.settings import Settings
from scheduler.ledger.run_spec import RunSpec
from tasks.messaging.broker import connect
from tasks.messaging.queues import queue, send

_KEPT_S = 60
"""For so long an answer waits for the one who asked."""


class RunCheck(Message):
    """A run that is about to start, and the key in Redis under which the answer is expected."""

    spec: RunSpec
    reply: str = Field(pattern=r"^fairwind:checked:[0-9a-f]{32}$")


def ask(settings: Settings, spec: RunSpec, *, patience_s: float) -> str | None:
    """Return what the coordinator has against a run; "" if nothing, `None` if it did not answer."""
    check = RunCheck(spec=spec, reply=f"fairwind:checked:{uuid4().hex}")
    try:
        send("check_run", queue("coordinator"), check, shown=spec.workload)
        with connect(settings) as broker:
            found = broker.blpop([check.reply], timeout=patience_s)
    except (OperationalError, OSError, redis.RedisError):
        return None
    return None if found is None else found[1].decode()


def answer(broker: redis.Redis, check: RunCheck, fault: str) -> None:
    """Answer a check: what is wrong with the run, "" if nothing is."""
    with broker.pipeline() as pipe:
        pipe.rpush(check.reply, fault)
        pipe.expire(check.reply, _KEPT_S)
        pipe.execute()
