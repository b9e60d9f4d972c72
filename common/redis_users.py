"""Users of Redis: what each role is called there, and the least that it may do.

A rule is a token of ``ACL SETUSER``, of Redis 7.0 and of Valkey. Nobody but the coordinator may
run scripts, list keys or clients, change settings, or read what is another's.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from common.keys import PROBE, blob_key, redis_key

SITE_USER_PREFIX: Final = "site-"
FLOWER_USER: Final = "flower"

SETINFO: Final = "+client|setinfo"
"""A rule that Redis knows from 7.2 on; an older one refuses a user that has it."""

_RANDOM_BYTES = 32

_CONNECTION = (
    "+ping", "+hello", "+client|setname", SETINFO, "+select",
    "+multi", "+exec", "+watch", "+unwatch", "+discard",
)  # fmt: skip


def site_user(client: str) -> str:
    """Return the Redis user of a client's site.

    >>> site_user("lyon")
    'site-lyon'
    """
    return SITE_USER_PREFIX + client


def new_password() -> str:
    """Return a password of 256 random bits that needs no escape in an address."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def password_sha256(password: str) -> str:
    """Return the only thing about a password that the coordinator and Redis keep."""
    return hashlib.sha256(password.encode()).hexdigest()


def site_rules(client: str, password_sha256: str, *, database: int = 0) -> list[str]:
    """Return the whole right of a client's site: its own queue, keys and bytes, and its receipts.

    Args:
        client: Its id; of letters, digits, dot, dash and underscore, which no pattern interprets.
        password_sha256: Of its password, in hexadecimal digits.
        database: The number of the federation's database, by which events are published.
    """
    queue, heartbeat = f"client.{client}", redis_key("client", client)
    updates = _blobs("update", client)
    # Of a version or a frozen part every site may read the bytes; of a correction its own alone.
    pulled = (_blobs("model"), _blobs("frozen"), _blobs("correction", client))
    return [
        *_begun(password_sha256), *_CONNECTION, "+time", f"~{heartbeat}",  # to watch it
        # Each key can be of one type alone: a queue that is none would fail who sends to it.
        _selector("+brpop", "+lpush", "+rpush", "+llen", f"~{queue}"),
        _selector("+set", "+get", "+del", f"~{heartbeat}"),
        _selector("+set", f"%W~{PROBE}"),
        _selector("+lpush", "+llen", "%W~aggregation"),
        _selector("+hmget", "+hstrlen", "+hget", "+hkeys", *(f"%R~{keys}" for keys in pulled)),
        _selector("+hset", "+hget", "+hkeys", "+expire", "+unlink", f"~{updates}"),
        _selector("+publish", f"&/{database}.celeryev/*"),
    ]  # fmt: skip


def flower_rules(password_sha256: str, *, database: int = 0) -> list[str]:
    """Return the right of Celery Flower: to see events, queues and signs of life; no more.

    It cannot publish to the control channel, so that nobody shuts down workers through it.

    Args:
        password_sha256: Of its password, in hexadecimal digits.
        database: The number of the federation's database, by which events are published.
    """
    binding = "_kombu.binding.celeryev"
    return [
        *_begun(password_sha256), *_CONNECTION, "+time",
        _selector("+psubscribe", "+punsubscribe", f"&/{database}.celeryev/*"),
        _selector("+llen", "%R~client.*", "%R~aggregation", "%R~coordinator"),
        _selector("+set", f"%W~{PROBE}"),
        _selector("+get", "+pttl", f"%R~{redis_key('driver', '*')}"),
        _selector("+llen", "+del", "~celeryev.*"),
        _selector("+sadd", "+srem", "+smembers", "+exists", "+del", f"~{binding}"),
        _selector("+zadd", "+zrem", "+zrange", "~_kombu.binding_deadlines"),
        _selector("+exists", "%R~_kombu.binding_permanent.celeryev"),
    ]  # fmt: skip


def _blobs(*names: str) -> str:
    """Return the pattern of the keys of all bytes in flight whose names begin so."""
    return redis_key("blob", blob_key(*names, "")) + "*"


def _begun(password_sha256: str) -> tuple[str, ...]:
    return "reset", "on", f"#{password_sha256}", "-@all"


def _selector(*rules: str) -> str:
    return f"({' '.join(rules)})"
