"""Heartbeats: a site's worker renews a key in Redis, and the coordinator reads which are alive."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable

import psutil
import redis
from pydantic import ValidationError

from common.clock import wall_now
from common.errors import FederationError
from common.messages import Heartbeat
from common.settings import Settings


def heartbeat_key(client: str) -> str:
    """Return the Redis key that holds the heartbeat of a client's worker."""
    return f"fairwind:client:{client}"


_SWAP = """
local now = redis.call('GET', KEYS[1])
if now and now ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
return 1
"""
"""Replaces a value only if it is the expected one or absent: one worker serves a client."""


class HeartbeatSender:
    """Sends the heartbeats of one worker: a key in Redis that expires unless it is renewed."""

    def __init__(
        self,
        broker: redis.Redis,
        settings: Settings,
        client: str,
        *,
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare to send heartbeats; none is sent yet.

        Args:
            broker: Where they go.
            settings: For how long one holds.
            client: Whose worker this is.
            is_paused: Returns whether the site's administrator has paused it, at each heartbeat.
        """
        self._broker = broker
        self._swap = broker.register_script(_SWAP)
        self._ttl_s = max(1, round(settings.silent_after_s))
        self._last = b""
        self._is_paused = is_paused
        self.client = client
        self.incarnation = uuid.uuid4().hex

    def claim(self) -> None:
        """Become the one worker of the client; the key of a worker that died must expire first.

        Raises:
            FederationError: If another worker of the same client is alive.
        """
        first: Heartbeat | None = None
        give_up = time.monotonic() + 2 * self._ttl_s
        while not self._replace(None, ready=False):
            raw = self._broker.get(heartbeat_key(self.client))
            holder = _parse(raw)
            if isinstance(raw, bytes) and (holder is None or _is_dead(holder)):
                self._last = (
                    raw  # the key may be replaced; the first worker to do so serves the client
                )
                continue
            if holder is None:
                continue
            if (first is not None and holder.at > first.at) or time.monotonic() > give_up:
                raise FederationError(_taken(holder))
            first = first or holder
            time.sleep(0.2)

    def renew(self, busy: str | None, *, ready: bool = True) -> bool:
        """Renew the heartbeat, with the assignment in work.

        Returns:
            False if another worker serves the client meanwhile.
        """
        return self._replace(busy, ready=ready)

    def leave(self) -> None:
        """Delete the heartbeat, unless it is of another worker."""
        self._swap(keys=[heartbeat_key(self.client)], args=[self._last, b"", 1])

    def _replace(self, busy: str | None, *, ready: bool) -> bool:
        """Replace the last heartbeat of this worker, if it is still there or no key is."""
        text = self.heartbeat(busy, ready=ready).model_dump_json().encode()
        taken = self._swap(keys=[heartbeat_key(self.client)], args=[self._last, text, self._ttl_s])
        if taken:
            self._last = text
        return bool(taken)

    def heartbeat(self, busy: str | None, *, ready: bool = True) -> Heartbeat:
        """Return a heartbeat of this worker as of now."""
        return Heartbeat(
            client=self.client, incarnation=self.incarnation, host=socket.gethostname(),
            pid=os.getpid(), at=wall_now(), ready=ready, busy=busy, paused=self._is_paused(),
        )  # fmt: skip


def read_heartbeats(broker: redis.Redis, clients: Iterable[str]) -> dict[str, Heartbeat]:
    """Return the heartbeat of every client whose worker is ready for work."""
    names = list(clients)
    if not names:
        return {}
    values = broker.mget([heartbeat_key(name) for name in names])
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
