"""Kombu's Redis transport, hardened against whatever arrives, and against failovers.

What kombu cannot read raises out of its event loop, which ends the worker: two bytes in a queue
would stop the coordinator. So each message is checked and written anew before kombu sees it. The
same holds for an error that kombu takes for one of our making, such as the READONLY of a primary
that has become a replica. Nor does it run scripts, as kombu's does: a user of Redis who may not is
one hole less.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty
from typing import Any

from kombu.exceptions import OperationalError
from kombu.serialization import disable_insecure_serializers
from kombu.transport import redis, virtual
from redis import Redis, RedisError

from common.keys import PROBE
from common.log import get_logger
from tasks.wire import intake

_log = get_logger(__name__)

# Kombu does so, too, but takes what other packages register afterwards.
disable_insecure_serializers(["json"])


def _refresh_binding(keys: Sequence[str], args: Sequence[Any], client: Redis) -> None:
    """Note a binding, and until when it holds: kombu's script of that name, as plain commands."""
    (table, deadlines), (member, exchange, ttl_ms) = keys, args
    client.sadd(table, member)
    client.zadd(deadlines, {exchange: time.time() * 1000 + ttl_ms}, gt=True)


_KombuQoS: Any = virtual.QoS
_KombuChannel: Any = redis.Channel


class QoS(_KombuQoS):  # type: ignore[misc] # its stubs know little of it
    """What was received and is not acknowledged, of which there is one message at most.

    It is kept here alone. Kombu's own keeps a copy in Redis, which a worker puts back after an hour
    if another died meanwhile: the ledger has issued that work again long before. And whatever lies
    there would have to be checked a second time.
    """

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Drop a message, or put it back."""
        if requeue and delivery_tag in self._delivered:
            self._put_back(self._delivered[delivery_tag])
        self.ack(delivery_tag)

    def restore_unacked(self, client: Redis | None = None) -> list[Any]:  # noqa: ARG002 - kombu's signature
        """Put back what is not acknowledged, as the channel closes."""
        self._flush()
        while self._delivered:
            self._put_back(self._delivered.popitem()[1])
        return []

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Look for nothing in Redis, as nothing is kept there."""

    def _put_back(self, message: Any) -> None:
        queue = message.delivery_info["routing_key"]
        try:
            with self.channel.conn_or_acquire() as client:
                client.rpush(queue, json.dumps(message._raw))  # noqa: SLF001 - as kombu's own does
        except (RedisError, OSError) as error:
            _log.warning("message.not_put_back", queue=queue, reason=str(error))


class Channel(_KombuChannel):  # type: ignore[misc] # (the same)
    """A channel that takes writes, drops what is no message of ours, logs it, and reads on."""

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
                client = self._kept = self._create_client()
        yield client

    @property
    def _refresh_binding(self) -> Callable[..., None]:
        return _refresh_binding

    def sweep_bindings(self, limit: int = 100) -> int:
        """Delete binding tables that no consumer refreshed in time; kombu runs a script for it."""
        deadlines = self.keyprefix_binding_deadlines
        with self.conn_or_acquire() as client:
            now_ms = time.time() * 1000
            overdue: Any = client.zrange(
                deadlines, "-inf", now_ms, byscore=True, offset=0, num=limit
            )
            for exchange in map(bytes.decode, overdue):
                if not client.exists(self.keyprefix_binding_permanent % (exchange,)):
                    client.delete(self.keyprefix_queue % (exchange,))
                client.zrem(deadlines, exchange)
        return len(overdue)

    def _brpop_read(self, **options: Any) -> bool:
        """Deliver what a queue gave, as kombu's own does, but checked."""
        try:
            found = self._popped(**options)
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if not found:
            raise Empty
        queue = bytes(found[0]).decode(errors="replace").rsplit(self.sep, 1)[0]
        self._queue_cycle.rotate(queue)
        self._delivered_to(queue, intake.taken(bytes(found[1]), queue))
        return True

    def _popped(self, **options: Any) -> Any:
        try:
            return self.client.parse_response(self.client.connection, "BRPOP", **options)
        except self.connection_errors:
            # Disconnected, it connects again by itself.
            self.client.connection.disconnect()
            raise

    def _receive_one(self, c: Any) -> bool | None:
        """Deliver what was published, as kombu's own does, but checked."""
        try:
            response = c.parse_response()
        except self.connection_errors:
            self._in_listen = None
            raise
        payload = self._handle_message(c, response) if isinstance(response, list | tuple) else None
        if not payload or not str(_text(payload["type"])).endswith("message"):
            return None
        channel = _text(payload["channel"])
        if channel.startswith("/"):
            channel = channel.partition(".")[2]
        exchange, data = channel.split("/", 1)[0], payload["data"]
        if not isinstance(data, bytes) or exchange not in self._fanout_to_queue:
            return None
        return self._delivered_to(
            self._fanout_to_queue[exchange], intake.taken_broadcast(data, exchange)
        )

    def _delivered_to(self, queue: str, message: dict[str, Any] | None) -> bool:
        """Hand a message to who consumes from a queue; one that nobody takes is dropped.

        An error that its handling raises drops it, too, unless the connection is at fault.
        """
        if message is None:
            return False
        try:
            self.connection._deliver(message, queue)  # noqa: SLF001 - as kombu's own does
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            _log.warning("message.dropped", reason=f"{type(error).__name__}: {error}")
            self.qos.ack(message["properties"]["delivery_tag"])
            return False
        return True


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


class Transport(redis.Transport):
    """The transport of ``redis://`` and ``rediss://`` addresses.

    Whatever Redis answers instead of doing what it was sent ends the connection, not the worker:
    after a failover, a restart or a change of rights it may do so later, or another server may.
    """

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, RedisError, OperationalError)
