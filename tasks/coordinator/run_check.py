"""A check of a run before it starts: the command line asks the coordinator, which answers in Redis.

Only the coordinator knows which workloads it may load and whether they can be. Nothing of this is
kept: a run that is refused leaves no event. Loads no torch, as the command line does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

import redis
from kombu.exceptions import OperationalError
from pydantic import Field, ValidationError

from common.envelope import Signer
from common.errors import SignatureError
from common.identity import canonical_json
from common.keys import redis_key
from common.message import Message
from common.settings import Settings
from scheduler.ledger.run_spec import RunSpec
from tasks.messaging.broker import connect
from tasks.messaging.inbox import coordinator_signer
from tasks.messaging.queues import queue, send

_KEPT_S = 60
"""For so long an answer waits for the one who asked."""

_PROGRESS_S = 1.0

_MOST_NBYTES = 1 << 20
"""Of a reply."""


class RunCheck(Message):
    """A run that is about to start, and the key in Redis under which the answer is expected."""

    spec: RunSpec
    reply: str = Field(pattern=r"^fairwind:checked:[0-9a-f]{32}$")


class CheckReply(Message):
    """How far a check has come, or at last what is wrong with the run.

    `fault` is "" if nothing is, and `None` while the first version is evaluated: by then `done` of
    `num_examples` test examples are through. `spec` is the run with what its user left open, and
    `chosen` why that was chosen; both are empty if there is a fault.
    """

    fault: str | None = None
    spec: RunSpec | None = None
    chosen: str = ""
    done: int = 0
    num_examples: int = 0


OnProgress = Callable[[int, int], None]
"""Called with the number of test examples done, and of all."""


def ask(
    settings: Settings, spec: RunSpec, *, patience_s: float, on_progress: OnProgress
) -> CheckReply | None:
    """Return what the coordinator says of a run; `None` if it did not answer.

    Args:
        settings: Where Redis is.
        spec: The run.
        patience_s: How long to wait for any reply, wall seconds.
        on_progress: Called while the first version is evaluated, if that takes long.
    """
    check = RunCheck(spec=spec, reply=redis_key("checked", uuid4().hex))
    signer = coordinator_signer(settings)
    try:
        send(
            "check_run",
            queue("coordinator"),
            check,
            shown=spec.workload,
            signer=signer,
        )
        with connect(settings) as broker:
            while (found := broker.blpop([check.reply], timeout=patience_s)) is not None:
                reply = _believed(found[1], check, signer)
                if reply is None:
                    continue
                if reply.fault is not None:
                    return reply
                on_progress(reply.done, reply.num_examples)
    except (OperationalError, OSError, redis.RedisError):
        return None
    return None


class _SignedReply(Message):
    """A reply as it travels; the signature is the coordinator's, over the reply and its key."""

    reply: str
    signature: str = ""


def _signed(check: RunCheck, reply: str) -> bytes:
    return canonical_json([check.reply, reply])


def _believed(raw: bytes, check: RunCheck, signer: Signer | None) -> CheckReply | None:
    """Return what a reply says; `None` if nobody with the coordinator's key has sent it."""
    try:
        found = _SignedReply.model_validate_json(raw[:_MOST_NBYTES])
        if signer is not None:
            signer.identity.public.verify(found.signature, _signed(check, found.reply))
        return CheckReply.model_validate_json(found.reply)
    except (SignatureError, ValidationError):
        return None


def answer(
    broker: redis.Redis, check: RunCheck, reply: CheckReply, *, signer: Signer | None
) -> None:
    """Send a reply to whoever waits for a check, signed where messages are."""
    text = reply.model_dump_json()
    signature = signer.identity.sign(_signed(check, text)) if signer else ""
    sent = _SignedReply(reply=text, signature=signature)
    with broker.pipeline() as pipe:
        pipe.rpush(check.reply, sent.model_dump_json())
        pipe.expire(check.reply, _KEPT_S)
        pipe.execute()


def progress_of(broker: redis.Redis, check: RunCheck, *, signer: Signer | None) -> OnProgress:
    """Return what replies how far an evaluation has come, once a second at most."""
    last = time.monotonic()

    def replied(done: int, num_examples: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PROGRESS_S:
            last = time.monotonic()
            reply = CheckReply(done=done, num_examples=num_examples)
            answer(broker, check, reply, signer=signer)

    return replied
