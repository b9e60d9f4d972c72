"""Presence: how a site's worker says that it lives, and how the coordinator sees who does."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterable

import psutil
import redis
from pydantic import ValidationError

from common.clock import wall_now
from common.errors import FederationError
from common.messages import Heartbeat
from common.settings import Settings


def presence_key(client: str) -> str:
    """Return the Redis key under which a client's worker says that it lives."""
    return f"fairwind:client:{client}"


_SWAP = """
local now = redis.call('GET', KEYS[1])
if now and now ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
return 1
"""
"""Replaces a value only if it is the one expected, or there is none: two never hold one place."""


class HeartbeatSender:
    """One worker's sign of life: a key in Redis that expires unless it is renewed."""

    def __init__(self, broker: redis.Redis, settings: Settings, client: str) -> None:
        self._broker = broker
        self._swap = broker.register_script(_SWAP)
        self._ttl_s = max(1, round(settings.silent_after_s))
        self._said = b""
        self.client = client
        self.incarnation = uuid.uuid4().hex

    def claim(self) -> None:
        """Take the client's place, waiting for that of a worker that died to fall free.

        Raises:
            FederationError: If another worker of the same client lives.
        """
        first: Heartbeat | None = None
        give_up = time.monotonic() + 2 * self._ttl_s
        while not self._say(None, ready=False):
            raw = self._broker.get(presence_key(self.client))
            holder = _parse(raw)
            if isinstance(raw, bytes) and (holder is None or _is_dead(holder)):
                self._said = raw  # its place may be taken, by one of those who see this
                continue
            if holder is None:
                continue
            if (first is not None and holder.at > first.at) or time.monotonic() > give_up:
                raise FederationError(_taken(holder))
            first = first or holder
            time.sleep(0.2)

    def renew(self, busy: str | None, *, ready: bool = True) -> bool:
        """Say that this worker lives, and what it works on.

        Returns:
            False if another worker has taken the client's place meanwhile.
        """
        return self._say(busy, ready=ready)

    def leave(self) -> None:
        """Say that this worker is gone, unless another has taken its place."""
        self._swap(keys=[presence_key(self.client)], args=[self._said, b"", 1])

    def _say(self, busy: str | None, *, ready: bool) -> bool:
        """Replace what this worker said last, if it is still there or nothing is."""
        text = self.heartbeat(busy, ready=ready).model_dump_json().encode()
        taken = self._swap(keys=[presence_key(self.client)], args=[self._said, text, self._ttl_s])
        if taken:
            self._said = text
        return bool(taken)

    def heartbeat(self, busy: str | None, *, ready: bool = True) -> Heartbeat:
        """Return what this worker says of itself now."""
        return Heartbeat(
            client=self.client, incarnation=self.incarnation, host=socket.gethostname(),
            pid=os.getpid(), at=wall_now(), ready=ready, busy=busy,
        )  # fmt: skip


def read_heartbeats(broker: redis.Redis, clients: Iterable[str]) -> dict[str, Heartbeat]:
    """Return the heartbeat of every client whose worker is ready for work."""
    names = list(clients)
    if not names:
        return {}
    values = broker.mget([presence_key(name) for name in names])
    beats = {name: _parse(value) for name, value in zip(names, values, strict=True)}
    return {
        name: beat
        for name, beat in beats.items()
        if beat is not None and beat.client == name and beat.ready
    }


def _parse(value: object) -> Heartbeat | None:
    if not isinstance(value, bytes):
        return None
    try:
        return Heartbeat.model_validate_json(value)
    except ValidationError:
        return None


def _is_dead(holder: Heartbeat) -> bool:
    """Return whether the holder is known to have died: it ran here, and its process is gone."""
    if holder.host != socket.gethostname():
        return False
    return holder.pid == os.getpid() or not psutil.pid_exists(holder.pid)


def _taken(holder: Heartbeat) -> str:
    return (
        f"Client {holder.client} already has a worker (process {holder.pid} on {holder.host}), so "
        "this one was not started: two would train the same data twice. Stop the other first, or "
        "serve another client."
    )
