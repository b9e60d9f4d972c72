"""Signs of life of coordinator and beat: keys in Redis that each renews while it runs.

How old a sign is follows from the key's expiry, which Redis alone counts down: the clocks of two
hosts are never compared.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.clock import wall_now
from common.errors import BrokerError
from common.log import get_logger
from common.settings import Settings
from scheduler.status.drivers import Drivers
from tasks.messaging.broker import check_reachable, connect

_KEPT_MS = 86_400_000
"""A sign of life can be read for a day; after that its process was never seen."""

COORDINATOR_SIGNS = ("coordinator", "aggregation")
"""The queues of the coordinator: a worker that serves one of them signs for it."""

BEAT_SIGN = "beat"

_log = get_logger(__name__)


def sign_key(name: str) -> str:
    """Return the Redis key that holds a sign of life."""
    return f"fairwind:driver:{name}"


def sign(broker: redis.Redis, names: Sequence[str]) -> None:
    """Leave a sign of life of this process under each of these names.

    A sign that cannot be left is logged and no error: what it stands for goes on.
    """
    text = f"{socket.gethostname()} {os.getpid()}"
    try:
        with broker.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.set(sign_key(name), text, px=_KEPT_MS)
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
            check_reachable(self._broker)
            ages_s = _ages_s(self._broker, (*COORDINATOR_SIGNS, BEAT_SIGN))
        except BrokerError as error:
            return Drivers.unreachable(str(error))
        coordinator = [ages_s[name] for name in COORDINATOR_SIGNS]
        known = [age_s for age_s in coordinator if age_s is not None]
        oldest = max(known) if len(known) == len(coordinator) else None
        return Drivers.seen(
            {"coordinator": oldest, "beat": ages_s[BEAT_SIGN]},
            now=wall_now(), silent_after_s=settings.silent_after_s,
        )  # fmt: skip


def connect_once(settings: Settings) -> redis.Redis:
    """Return a connection that says at once what does not answer, for somebody who looks.

    Raises:
        BrokerError: If the URL is not one of Redis.
    """
    client = connect(settings)
    client.set_retry(Retry(NoBackoff(), 0))
    return client


def _ages_s(client: redis.Redis, names: Sequence[str]) -> dict[str, float | None]:
    """Return how long ago each sign was left, in s; `None` for one that is not there.

    Raises:
        BrokerError: If Redis fails.
    """
    try:
        with client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.pttl(sign_key(name))
            left_ms = pipe.execute()
    except redis.RedisError as error:
        msg = f"Redis failed ({error}), so it is unknown what runs. Repair it first."
        raise BrokerError(msg) from None
    return {
        name: None if left < 0 else max(0.0, (_KEPT_MS - left) / 1000)
        for name, left in zip(names, left_ms, strict=True)
    }
