"""Keeps the users of Redis in step with who is enrolled. The coordinator alone writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import redis

from common.errors import BrokerError, FairwindError
from common.log import get_logger
from common.password_file import load_or_make_password
from common.redis_users import (
    FLOWER_USER,
    SETINFO,
    SITE_USER_PREFIX,
    flower_rules,
    password_sha256,
    site_rules,
    site_user,
)
from scheduler.federation.client import Client
from scheduler.federation.federation import Federation
from tasks.roles import flower_password_file

_log = get_logger(__name__)


class RedisUsers:
    """The users that should be in Redis, and those that this process wrote there."""

    def __init__(self, broker: redis.Redis, home: Path) -> None:
        """Prepare to write users; none is written yet.

        Args:
            broker: Logs in as a user that may write others.
            home: The coordinator's folder, with the password of Flower's user.
        """
        self._broker = broker
        self._home = home
        self._database: int = broker.connection_pool.connection_kwargs.get("db", 0)
        self._written: dict[str, Sequence[str]] = {}
        self._knows_setinfo = True
        self._fault = ""

    def follow(self, state: Federation) -> None:
        """Do as `update`; where that fails it is logged, and done again with the next tick."""
        try:
            self.update(state)
            self._fault = ""
        except (redis.RedisError, FairwindError) as error:
            if self._fault != str(error):
                self._fault = str(error)
                _log.error("redis_users.not_written", reason=self._fault)

    def update(self, state: Federation) -> None:
        """Write the users that are missing or differ, and delete those of retired clients.

        Where nothing has changed, one command finds that out: also that Redis was restarted. Where
        no client was ever enrolled with a user of its own, nothing is done.

        Raises:
            BrokerError: If our own user may not write users.
            SettingError: If the password of Flower's user can be neither read nor written.
            redis.RedisError: If Redis fails.
        """
        if not state.has_redis_users:
            return
        try:
            self._update(self._wanted(state.enrolled()))
        except redis.exceptions.NoPermissionError as error:
            msg = (
                f"Redis does not let our user write other users ({error}), so no site can log in "
                "with its own. Name a user with +acl and +client|kill in FAIRWIND_REDIS_URL."
            )
            raise BrokerError(msg) from None

    @cached_property
    def _flower(self) -> list[str]:
        password = load_or_make_password(flower_password_file(self._home))
        return flower_rules(password_sha256(password), database=self._database)

    def _wanted(self, enrolled: Iterable[Client]) -> dict[str, Sequence[str]]:
        return {
            FLOWER_USER: self._flower,
            **{
                site_user(client.id): site_rules(
                    client.id, client.redis_password_sha256, database=self._database
                )
                for client in enrolled
                if client.redis_password_sha256 is not None
            },
        }

    def _update(self, wanted: Mapping[str, Sequence[str]]) -> None:
        there = set(map(_text, self._acl("USERS")))
        for user, rules in wanted.items():
            if user not in there or self._written.get(user) != rules:
                self._write(user, rules, replaces=user in there)
        for user in sorted(there - wanted.keys()):
            if user.startswith(SITE_USER_PREFIX):
                self._acl("DELUSER", user)  # which also ends its connections
                self._written.pop(user, None)
                _log.info("redis_user.deleted", user=user)

    def _write(self, user: str, rules: Sequence[str], *, replaces: bool) -> None:
        before = self._passwords(user) if replaces else []
        if self._knows_setinfo:
            try:
                self._acl("SETUSER", user, *rules)
            except redis.ResponseError as error:
                if SETINFO not in str(error):
                    raise
                self._knows_setinfo = False  # Redis 7.0
        if not self._knows_setinfo:
            self._acl("SETUSER", user, *(rule for rule in rules if rule != SETINFO))
        if before and before != self._passwords(user):
            # A connection outlives the password with which it was made.
            self._broker.execute_command("CLIENT", "KILL", "USER", user)  # type: ignore[no-untyped-call]
        self._written[user] = rules
        _log.info("redis_user.written", user=user)

    def _passwords(self, user: str) -> list[str]:
        found: Any = self._broker.acl_getuser(user)
        return list(found["passwords"]) if found else []

    def _acl(self, *words: str) -> Any:
        return self._broker.execute_command("ACL", *words)  # type: ignore[no-untyped-call]


def _text(reply: bytes | str) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply
