"""Signs of life of coordinator and beat: keys in Redis that each renews while it runs.

How old a sign is follows from the key's expiry, which Redis alone counts down: the clocks of two
hosts are never compared.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import redis
from pydantic import AwareDatetime, ValidationError

from common.clock import wall_now
from common.errors import BrokerError
from common.keys import redis_key
from common.log import get_logger
from common.message import Message
from common.settings import Settings
from scheduler.status.drivers import Busy, Drivers
from tasks.messaging.broker import broker_error, check_usable, connect_once
from tasks.roles import UP_FILE

KEPT_MS = 86_400_000
"""A sign of life can be read for a day; after that its process was never seen."""

COORDINATOR_SIGNS = ("coordinator", "aggregation")
"""The queues of the coordinator: a worker that serves one of them signs for it."""

BEAT_SIGN = "beat"

_log = get_logger(__name__)


def sign_key(name: str) -> str:
    """Return the Redis key that holds a sign of life."""
    return redis_key("driver", name)


class Sign(Message):
    """What a sign of life says: whose it is, and what holds that process up.

    `incarnation` is that of a process which must be the only one of its kind. Its signs are signed
    where it has the coordinator's key, with `at`, the time on its wall clock.
    """

    host: str
    pid: int
    incarnation: str = ""
    task: str = ""
    for_s: float = 0.0
    at: AwareDatetime | None = None
    signature: str = ""


def sign(broker: redis.Redis, names: Sequence[str], busy: Busy | None = None) -> None:
    """Leave a sign of life of this process under each of these names.

    A sign that cannot be left is logged and no error: what it stands for goes on.

    Args:
        broker: Where it is left.
        names: What it stands for.
        busy: What leaves this process no room for another task, if anything does.
    """
    held = {"task": busy.task, "for_s": busy.for_s} if busy else {}
    text = Sign(host=socket.gethostname(), pid=os.getpid(), **held).model_dump_json()
    try:
        with broker.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.set(sign_key(name), text, px=KEPT_MS)
            pipe.execute()
    except redis.RedisError as error:
        _log.warning("sign.not_left", reason=str(error))


class DriverWatch:
    """Looks at the signs of life, over one connection that is kept."""

    def __init__(self) -> None:
        self._broker: redis.Redis | None = None

    def look(self, settings: Settings) -> Drivers:
        """Return when coordinator and beat were last seen, or what is wrong with Redis."""
        try:
            self._broker = self._broker or connect_once(settings)
            check_usable(self._broker)
            found = _read(self._broker, (*COORDINATOR_SIGNS, BEAT_SIGN))
        except BrokerError as error:
            return Drivers.unusable(str(error))
        ages_s = [found[name][0] for name in COORDINATOR_SIGNS]
        known = [age_s for age_s in ages_s if age_s is not None]
        held = [busy for name in COORDINATOR_SIGNS if (busy := found[name][1])]
        return Drivers.seen(
            {
                "coordinator": max(known) if len(known) == len(ages_s) else None,
                "beat": found[BEAT_SIGN][0],
            },
            now=wall_now(), silent_after_s=settings.silent_after_s, up=_up_of(settings),
            busy=max(held, key=lambda busy: busy.for_s, default=None),
        )  # fmt: skip


def _up_of(settings: Settings) -> str:
    """Return the `fairwind up` in whose folder this federation is kept; empty if it is in none."""
    folder = settings.folder.parent
    if not (folder / UP_FILE).exists():
        return ""
    is_default = folder == Path(".fairwind").absolute()
    return "fairwind up" if is_default else f"fairwind up --folder {folder}"


def _read(client: redis.Redis, names: Sequence[str]) -> dict[str, tuple[float | None, Busy | None]]:
    """Return how long ago each sign was left, in s, and what it says.

    The age is `None` for one that is not there.

    Raises:
        BrokerError: If Redis fails.
    """
    try:
        with client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.pttl(sign_key(name))
                pipe.get(sign_key(name))
            replies = pipe.execute()
    except redis.RedisError as error:
        raise broker_error(error) from None
    return {
        name: (None if left < 0 else max(0.0, (KEPT_MS - left) / 1000), _busy(text))
        for name, left, text in zip(names, replies[::2], replies[1::2], strict=True)
    }


def read_sign(text: bytes | None) -> Sign | None:
    """Return what a sign of life says; `None` if there is none, or it cannot be read."""
    try:
        return Sign.model_validate_json(text or b"")
    except ValidationError:
        return None


def _busy(text: bytes | None) -> Busy | None:
    said = read_sign(text)
    return Busy(said.task, said.for_s) if said and said.task else None
