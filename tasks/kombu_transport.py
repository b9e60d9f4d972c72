"""Kombu's Redis transport, hardened against bytes that are no message, and against failovers.

What kombu cannot read raises out of its event loop, which ends the worker: two bytes in a queue
would stop the coordinator. The same holds for an error that kombu takes for one of our making,
such as the READONLY of a primary that has become a replica. Nor does it run scripts, as kombu's
does: a user of Redis who may not is one hole less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.exceptions import OperationalError
from kombu.transport import redis, virtual
from redis import Redis, RedisError, WatchError

from common.keys import PROBE
from common.log import get_logger

_log = get_logger(__name__)


@contextmanager
def _mutex(client: Redis, name: str, expire: int) -> Iterator[None]:
    """Hold a key of Redis while in the context. It takes no script, which no site may run.

    Raises:
        redis.MutexHeld: If another holds it.
    """
    mark = uuid4().hex.encode()
    if not client.set(name, mark, nx=True, px=expire * 1000):
        raise redis.MutexHeld
    try:
        yield
    finally:
        with client.pipeline() as pipe, suppress(WatchError):
            pipe.watch(name)  # type: ignore[no-untyped-call]
            if pipe.get(name) == mark:  # else it took so long that another may hold it
                pipe.multi()
                pipe.delete(name)
                pipe.execute()


redis.Mutex = _mutex  # where kombu looks for it


def _refresh_binding(keys: Sequence[str], args: Sequence[Any], client: Redis) -> None:
    """Note a binding, and until when it holds: kombu's script of that name, as plain commands."""
    (table, deadlines), (member, exchange, ttl_ms) = keys, args
    client.sadd(table, member)
    client.zadd(deadlines, {exchange: time.time() * 1000 + ttl_ms}, gt=True)


class QoS(redis.QoS):
    """What was received and is not acknowledged, of which there is one message at most.

    One that cannot be acknowledged would keep its worker from ever receiving another. It is
    executed all the same, and kombu gives it to a worker again after an hour, which does no harm.
    """

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message, here in any case and in Redis if it can be done."""
        try:
            super().ack(delivery_tag)
        except RedisError as error:
            _log.warning("message.not_acknowledged", reason=str(error))
            virtual.QoS.ack(self, delivery_tag)


class Channel(redis.Channel):
    """A channel that takes writes, drops what is no message, logs it, and reads on."""

    QoS = QoS
    _kept: Redis | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Open a channel.

        Raises:
            redis.RedisError: If Redis takes no writes: nothing could be received from it either,
                so Celery tries again with growing pauses, as it does where nothing answers.
        """
        super().__init__(*args, **kwargs)
        try:
            self.client.set(PROBE, "", px=1000)
        except RedisError:
            self.close()
            raise

    @contextmanager
    def conn_or_acquire(self, client: Redis | None = None) -> Iterator[Redis]:
        """Yield a client of the pool; the same one every time, where kombu makes a new one."""
        if client is None:
            client = self._kept
            if client is None or client.connection_pool is not self.pool:
                client = self._kept = self._create_client()  # type: ignore[attr-defined]
        yield client

    @property
    def _refresh_binding(self) -> Callable[..., None]:
        return _refresh_binding

    def sweep_bindings(self, limit: int = 100) -> int:
        """Delete binding tables that no consumer refreshed in time; kombu runs a script for it."""
        kombus: Any = self  # its stubs do not know these attributes
        deadlines = kombus.keyprefix_binding_deadlines
        with self.conn_or_acquire() as client:
            now_ms = time.time() * 1000
            overdue: Any = client.zrange(
                deadlines, "-inf", now_ms, byscore=True, offset=0, num=limit
            )
            for exchange in map(bytes.decode, overdue):
                if not client.exists(kombus.keyprefix_binding_permanent % (exchange,)):
                    client.delete(kombus.keyprefix_queue % (exchange,))
                client.zrem(deadlines, exchange)
        return len(overdue)

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            _log.warning("message.dropped", reason=f"{type(error).__name__}: {error}")
            raise Empty from None


class Transport(redis.Transport):
    """The transport of ``redis://`` and ``rediss://`` addresses.

    Whatever Redis answers instead of doing what it was sent ends the connection, not the worker:
    after a failover, a restart or a change of rights it may do so later, or another server may.
    """

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, RedisError, OperationalError)
