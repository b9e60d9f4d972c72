"""Our own connection to Redis, apart from the one of Celery."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import redis
import redis.asyncio
from redis._parsers import Encoder
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.connection import PythonRespSerializer
from redis.retry import Retry

from common.errors import BrokerError
from common.keys import PROBE
from common.settings import Settings
from common.settings.redis_address import SSL_FILES

_BULK: dict[str, Any] = {
    "command_packer": PythonRespSerializer(6000, Encoder("utf-8", "strict", False).encode),  # type: ignore[no-untyped-call]  # noqa: FBT003
    "socket_read_size": 1 << 20,
}


REDIS_IS_AWAY = (
    redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, redis.OutOfMemoryError,
    redis.exceptions.MasterDownError,
)  # fmt: skip
"""What is raised where Redis takes nothing for now; what fails with it is done again later."""


_CONNECTS_WITHIN_S = 5.0


class _TlsConnection(redis.SSLConnection):
    """A connection whose TLS handshake takes no longer than to connect may take.

    A server that does not speak TLS waits for the end of a line that never comes.
    """

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        sock.settimeout(self.socket_connect_timeout)
        try:
            wrapped = super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            raise redis.TimeoutError(_NO_TLS) from error
        wrapped.settimeout(self.socket_timeout)
        return wrapped


_NO_TLS = (
    f"no answer to the TLS handshake within {_CONNECTS_WITHIN_S:g} s; it may not speak TLS: "
    "name its TLS port, or write redis:// where rediss:// stands"
)


def connect(settings: Settings, *, bulk: bool = False) -> redis.Redis:
    """Return a client of the broker. It connects when first used, and again when cut off.

    Args:
        settings: Where it is.
        bulk: For megabytes: sends them uncopied and reads them in large pieces. With hiredis, whose
            packing copies, 4 MB take seven times as long. What fails is not tried again: whoever
            moves bytes knows which of them have arrived.
    """
    client = redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=30,
        socket_connect_timeout=_CONNECTS_WITHIN_S,
        socket_keepalive=True,
        health_check_interval=25,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), 0 if bulk else 3),
        retry_on_error=[redis.ConnectionError, redis.TimeoutError],
        **(_BULK if bulk else {}),
    )
    pool = client.connection_pool
    if pool.connection_class is redis.SSLConnection:
        pool.connection_class = _TlsConnection
    return client


def connect_once(settings: Settings) -> redis.Redis:
    """Return a client that says at once what does not answer, for somebody who looks."""
    client = connect(settings)
    client.set_retry(Retry(NoBackoff(), 0))
    return client


def connect_async(settings: Settings) -> redis.asyncio.Redis:
    """Return a client of the broker for an event loop."""
    return redis.asyncio.Redis.from_url(
        settings.redis_url,
        socket_timeout=30,
        socket_connect_timeout=_CONNECTS_WITHIN_S,
        socket_keepalive=True,
    )


def check_usable(
    client: redis.Redis, *, to_read: bool = False, to_run_scripts: bool = False
) -> None:
    """Check that Redis answers and takes writes, and is a single server.

    Args:
        client: A client of it.
        to_read: Check only that it can be read: a replica or a full one will do.
        to_run_scripts: Check that it runs scripts, too, which sites need not and may not.

    Raises:
        BrokerError: If it is not so.
    """
    kwargs = client.connection_pool.connection_kwargs
    where = f"{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}"
    if fault := _unread_file(kwargs) or _fault(
        client, to_read=to_read, to_run_scripts=to_run_scripts
    ):
        msg = f"Redis at {where} {fault}"
        raise BrokerError(msg)


def _fault(client: redis.Redis, *, to_read: bool, to_run_scripts: bool) -> str | None:
    """Return what is wrong with Redis and what to do, to follow its place."""
    try:
        with client.pipeline(transaction=False) as pipe:
            pipe.execute_command("HELLO")  # type: ignore[no-untyped-call]
            if to_read:
                pipe.get(PROBE)
            else:
                pipe.set(PROBE, "", px=1000)
                pipe.time()
            if to_run_scripts:
                pipe.eval("return redis.call('TIME')", 0)
            hello, *rest = pipe.execute(raise_on_error=False)
    except redis.RedisError as error:
        return _what_is_wrong(error)
    refused = [reply for reply in rest if isinstance(reply, redis.RedisError)]
    return _foreign_mode(hello) or (_what_is_wrong(refused[0]) if refused else None)


def _unread_file(kwargs: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a file that the address names: redis-py would not name it."""
    for name in SSL_FILES:
        if (path := kwargs.get(name)) and not os.access(path, os.R_OK):
            return (
                f"cannot be connected to: {name} of FAIRWIND_REDIS_URL names {path}, which this "
                "user cannot read, so no task can be sent. Correct it, or the file's mode."
            )
    return None


def broker_error(error: redis.RedisError) -> BrokerError:
    """Return the error to show for one of Redis that nothing else has dealt with."""
    return BrokerError(f"Redis {_what_is_wrong(error)}")


def _foreign_mode(hello: object) -> str | None:
    """Return what is wrong if this is no server that keeps all keys itself."""
    words = hello.values() if isinstance(hello, dict) else hello if isinstance(hello, list) else ()
    if b"cluster" in words:
        return (
            "is a node of a Redis Cluster, on which Celery cannot wait for several queues, so no "
            "task can be sent. Name a server without cluster-enabled in FAIRWIND_REDIS_URL."
        )
    if b"sentinel" in words:
        return (
            "is a Sentinel, which keeps no queues, so no task can be sent. Name the primary that "
            "it watches in FAIRWIND_REDIS_URL."
        )
    return None


def _what_is_wrong(error: redis.RedisError) -> str:
    """Return why no task can be sent, and what to do, to follow the place of Redis."""
    text = str(error)
    for kind, sentence in _FAULTS.items():
        if isinstance(error, kind):
            return sentence.format(text)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return _OTHER_CERTIFICATE.format(text.partition("CERTIFICATE_VERIFY_FAILED] ")[2])
    if "has no permissions" in text:  # of a command inside a script
        return _FAULTS[redis.exceptions.NoPermissionError].format(text)
    for beginning, sentence in _TEXTS.items():
        if text.startswith(beginning):
            return sentence
    if isinstance(error, redis.ResponseError):
        return f"takes no writes ({error}), so no task can be sent. Repair it first."
    return (
        f"does not answer ({type(error).__name__}: {error}), so no task can be sent. Start it, or "
        "set FAIRWIND_REDIS_URL to where it runs."
    )


_FAULTS: dict[type[redis.RedisError], str] = {
    redis.exceptions.MasterDownError: "is a replica that has lost its primary, so no task can be "
    "sent. Name the primary in FAIRWIND_REDIS_URL, unless a failover is under way.",
    redis.ReadOnlyError: "is a read-only replica, so no task can be sent. Name its primary in "
    "FAIRWIND_REDIS_URL, unless a failover is under way.",
    redis.OutOfMemoryError: "is full, so no task can be sent. Raise its maxmemory, or free some of "
    "it.",
    redis.exceptions.NoPermissionError: "does not allow its user what Fairwind needs ({}), so no "
    "task can be sent. See docs/federation.md for the rights of a user.",
    redis.BusyLoadingError: "is still loading its data, so no task can be sent. Wait until it has.",
    redis.AuthenticationError: "refuses the user or the password of FAIRWIND_REDIS_URL, so no task "
    "can be sent. Correct them; percent-encode / # ? [ ] @ : ; and %. A site that was given a new "
    "kit joins with it: fairwind site join KIT. One that was revoked needs a new kit.",
}
"""What is wrong with a Redis that answers so, the more special errors first."""

_OTHER_CERTIFICATE = (
    "shows a certificate that is not believed ({}), so nothing is sent to it. Its name in the "
    "address must be one of the certificate's, and ssl_ca_certs must name the authority that gave "
    "it: compare both with the operator of Redis."
)

_TEXTS = {
    "MISCONF": "cannot save its data to disk and therefore takes no writes, so no task can be "
    'sent. Free its disk, or stop it from saving: CONFIG SET save "". Fairwind needs no copy.',
    "DB index is out of range": "has no database of that number, so no task can be sent. Correct "
    "what follows the last / of FAIRWIND_REDIS_URL: most servers have 0 to 15.",
    "max number of clients": "serves as many clients as it may, so no task can be sent. Raise its "
    "maxclients, or end programs that are connected to it.",
}
"""The same of errors that have no class of their own, by how their text begins."""
