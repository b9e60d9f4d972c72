"""Preflight check of who may do what in Redis: a user of its own, one password for all, or none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import redis

from common.redis_users import SITE_USER_PREFIX
from common.settings import Settings
from common.settings.redis_address import LOOPBACK
from scheduler.federation.federation import Federation
from scheduler.federation.opening import read_ledger
from scheduler.status.names import SHOWN_NAMES, listed
from tasks.cli.finding import Finding
from tasks.messaging.broker import connect_once


def check_redis_users(ours: Settings) -> Iterator[Finding]:
    """Say which user this process is in Redis, and what that means."""
    login = urlsplit(ours.redis_url)
    if (login.username or "").startswith(SITE_USER_PREFIX):
        yield Finding(
            "ok",
            f"As {login.username}, this process may use its own queue and bytes in Redis, and "
            "nothing of another site.",
        )
    elif (state := _state(ours)) is not None and state.has_redis_users:
        yield from _managed(ours, state)
    elif login.password:
        yield Finding(
            "ok",
            "Redis has one password here: each site that has it may see, change and delete what is "
            "another's. A kit gives a site a user of its own: fairwind enroll --kit",
        )
    else:
        yield Finding(
            "ok" if login.hostname in LOOPBACK else "warning",
            "Redis is used without a password: whoever reaches its port may see, change and "
            "delete everything in it. That does for a try-out on one machine.",
        )


def _managed(ours: Settings, state: Federation) -> Iterator[Finding]:
    with connect_once(ours) as broker:
        try:
            everybody: Any = broker.acl_getuser("default")
        except redis.exceptions.NoPermissionError as error:
            yield Finding(
                "error",
                f"Sites have kits, and Redis does not let our user write theirs ({error}), so they "
                "cannot log in. Give our user +acl and +client|kill.",
            )
            return
    if everybody and {"on", "nopass"} <= set(everybody["flags"]):
        yield Finding(
            "warning",
            "Each site has a user of its own in Redis, but whoever names no user needs no password "
            "and may do everything. Set requirepass in redis.conf.",
        )
    else:
        yield Finding(
            "ok", "Each site has a user of its own in Redis, which the coordinator writes."
        )
    without = sorted(
        client.id for client in state.enrolled() if client.redis_password_sha256 is None
    )
    if without:
        yield Finding(
            "warning",
            f"Enrolled without a user in Redis: {listed(without, most=SHOWN_NAMES)}. Their workers "
            "need a password that opens more than theirs. Give each a kit: "
            f"fairwind rotate {without[0]} --kit {without[0]}.kit",
        )


def _state(ours: Settings) -> Federation | None:
    if not (ours.folder / "ledger.sqlite").exists() and ours.ledger_url is None:
        return None
    return read_ledger(ours.ledger).state()
