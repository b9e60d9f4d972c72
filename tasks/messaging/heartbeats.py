"""Heartbeats: a site's worker renews a key in Redis, and the coordinator reads which are alive."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import psutil
import redis

from common.bounds import MOST_W
from common.clock import wall_now
from common.envelope import COORDINATOR, About, Signer
from common.errors import FederationError, PlaceTakenError
from common.keys import redis_key
from common.messages import Heartbeat
from common.settings import Settings
from tasks.messaging.believed import TASK, Believer, claimed, read_heartbeat
from tasks.messaging.inbox import Keys


def heartbeat_key(client: str) -> str:
    """Return the Redis key that holds the heartbeat of a client's worker."""
    return redis_key("client", client)


_believer = Believer()

_LONGEST = 4096
"""Bytes of a heartbeat that are read; a site could write more, and no heartbeat has as many."""

_SURE_WITHIN_S = 5.0
"""An exchange that took longer says nothing of clocks: it was cut off, and tried again."""


class HeartbeatSender:
    """Sends the heartbeats of one worker: a key in Redis that expires unless it is renewed.

    Attributes:
        clock_ahead_s: How far this machine's clock was ahead of Redis's at the last heartbeat, s;
            `None` if that is unknown.
    """

    def __init__(
        self,
        broker: redis.Redis,
        settings: Settings,
        client: str,
        *,
        is_paused: Callable[[], bool] = lambda: False,
        policy: Callable[[], str | None] = lambda: None,
        signer: Signer | None = None,
        now: Callable[[], datetime] = wall_now,
    ) -> None:
        """Prepare to send heartbeats; none is sent yet.

        Args:
            broker: Where they go.
            settings: For how long one holds, and what the site's machine draws while it waits.
            client: Whose worker this is.
            is_paused: Returns whether the site's administrator has paused it, at each heartbeat.
            policy: Returns the version of its site policy, at each heartbeat.
            signer: Signs them; `None` where messages are not signed.
            now: Returns the time on this machine's clock.
        """
        self._broker = broker
        self._ttl_s = max(1, round(settings.silent_after_s))
        self._idle_w = _stated_idle_w(settings)
        self._last = b""
        self._rival: Heartbeat | None = None
        self._is_paused = is_paused
        self._policy = policy
        self._now = now
        self.signer = signer
        self._key = own_key(signer)
        self.clock_ahead_s: float | None = None
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
            holder = read_heartbeat(raw, self.client, self._key)
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

    def renew(self, busy: str | None, *, ready: bool = True) -> Heartbeat | None:
        """Renew the heartbeat, with the assignment in work.

        Returns:
            The heartbeat of another worker that serves the client meanwhile; `None` as long as
            none is known to. One that does not change is left from a worker that is gone: Redis may
            have lost its last seconds.
        """
        if self._replace(busy, ready=ready):
            self._rival = None
            return None
        raw = self._broker.get(heartbeat_key(self.client))
        holder = read_heartbeat(raw, self.client, self._key)
        if isinstance(raw, bytes) and (holder is None or holder.incarnation == self.incarnation):
            self._last = raw
            self._replace(busy, ready=ready)
            return None
        before, self._rival = self._rival, holder
        return holder if before is not None and before != holder else None

    def leave(self) -> None:
        """Delete the heartbeat, unless it is of another worker."""
        self._swap(None)

    def _replace(self, busy: str | None, *, ready: bool) -> bool:
        """Replace the last heartbeat of this worker, if it is still there or no key is."""
        beat = self.heartbeat(busy, ready=ready)
        text = self._written(beat)
        self._compare_clocks()
        if not self._swap(text):
            return False
        self._last = text
        return True

    def _swap(self, text: bytes | None) -> bool:
        """Replace the last heartbeat of this worker, and return whether it or no key was there.

        One worker serves a client. No script does it, since no site may run one.

        Args:
            text: The new one; `None` deletes the last.
        """
        key = heartbeat_key(self.client)
        with self._broker.pipeline() as pipe:
            try:
                pipe.watch(key)  # type: ignore[no-untyped-call]
                if cast("bytes | None", pipe.get(key)) not in {None, self._last}:
                    return False
                pipe.multi()
                if text is None:
                    pipe.delete(key)
                else:
                    pipe.set(key, text, ex=self._ttl_s)
                pipe.execute()
            except redis.WatchError:
                return False
        return True

    def _compare_clocks(self) -> None:
        """Note how far this machine's clock is ahead of Redis's."""
        before, begun = self._now(), time.monotonic()
        redis_time = self._broker.time()
        took_s = time.monotonic() - begun
        if took_s < _SURE_WITHIN_S:
            self.clock_ahead_s = before.timestamp() + took_s / 2 - _seconds(redis_time)

    def _written(self, beat: Heartbeat) -> bytes:
        if self.signer is None:
            return beat.model_dump_json().encode()
        sealed = self.signer.seal(TASK, COORDINATOR, beat, about=About(), now=beat.at)
        return sealed.model_dump_json().encode()

    def heartbeat(self, busy: str | None, *, ready: bool = True) -> Heartbeat:
        """Return a heartbeat of this worker as of now."""
        return Heartbeat(
            client=self.client, incarnation=self.incarnation, host=socket.gethostname(),
            pid=os.getpid(), at=self._now(), ready=ready, busy=busy, paused=self._is_paused(),
            policy=self._policy(), idle_w=self._idle_w, clock_ahead_s=self.clock_ahead_s,
            kept_s=self._ttl_s,
        )  # fmt: skip


def check_place(
    broker: redis.Redis, client: str, incarnation: str, *, key: str | None = None
) -> None:
    """Check that no other worker serves a client; where Redis is away, none is known to.

    Args:
        broker: Where the heartbeats are.
        client: Whose worker this is.
        incarnation: Of this worker.
        key: The client's public key: another worker of it has the same. `None` where nobody signs.

    Raises:
        PlaceTakenError: If another one does.
    """
    try:
        holder = read_heartbeat(broker.get(heartbeat_key(client)), client, key)
    except redis.RedisError:
        return
    if holder is not None and holder.incarnation != incarnation:
        msg = (
            f"Another worker (process {holder.pid} on {holder.host}) serves {client} meanwhile, so "
            "what this one does is dropped. It ends by itself."
        )
        raise PlaceTakenError(msg)


def read_heartbeats(
    broker: redis.Redis, clients: Iterable[str], *, keys: Keys | None
) -> dict[str, Heartbeat]:
    """Return the heartbeat of every client whose worker is ready for work.

    Args:
        broker: Where they are.
        clients: Whose.
        keys: The public key of each client: what another has signed is not believed. `None` where
            messages are not signed.
    """
    names = list(clients)
    if not names:
        return {}
    values = _values(broker, [heartbeat_key(name) for name in names])
    beats = {
        name: _believer.believe(name, value, keys)
        for name, value in zip(names, values, strict=True)
    }
    return {name: beat for name, beat in beats.items() if beat is not None and beat.ready}


def _values(broker: redis.Redis, keys: Sequence[str | bytes]) -> list[object]:
    """Return the beginnings of the values of some keys, `None` where there is none.

    A key that a site has made something else of has an error: its trouble alone.
    """
    with broker.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.getrange(key, 0, _LONGEST)
        return [value or None for value in pipe.execute(raise_on_error=False)]


def read_arrivals(
    broker: redis.Redis, clients: Iterable[str], *, keys: Keys | None
) -> dict[str, tuple[Heartbeat, float]]:
    """Return the heartbeat of every client whose worker is ready, and its age since it arrived, s.

    That follows from the key's expiry, which Redis alone counts down: no site's clock is read.
    Arguments as of `read_heartbeats`.
    """
    names = list(clients)
    if not names:
        return {}
    with broker.pipeline(transaction=True) as pipe:
        for name in names:
            pipe.getrange(heartbeat_key(name), 0, _LONGEST)
            pipe.pttl(heartbeat_key(name))
        values = pipe.execute(raise_on_error=False)
    found = {}
    for name, value, left_ms in zip(names, values[::2], values[1::2], strict=True):
        beat = _believer.believe(name, value or None, keys)
        if beat is not None and beat.ready:
            found[name] = beat, max(0.0, beat.kept_s - left_ms / 1000)
    return found


def clock_ahead_s(broker: redis.Redis) -> float:
    """Return how far this machine's clock is ahead of Redis's, in s.

    Raises:
        redis.RedisError: If Redis does not answer.
    """
    before, begun = wall_now(), time.monotonic()
    redis_time = broker.time()
    return before.timestamp() + (time.monotonic() - begun) / 2 - _seconds(redis_time)


def _seconds(redis_time: Sequence[Any]) -> float:
    """Return what the command TIME answers as seconds since 1970."""
    whole, micro = redis_time
    return int(whole) + int(micro) / 1e6


def clients_with_worker(broker: redis.Redis) -> set[str]:
    """Return the clients of which a worker is there, enrolled or not."""
    keys = list(broker.scan_iter(match=heartbeat_key("*"), count=1000))
    beats = map(claimed, _values(broker, keys))
    return {beat.client for beat in beats if beat is not None}


def own_key(signer: Signer | None) -> str | None:
    """Return the public key of who signs; `None` where messages are not signed."""
    return None if signer is None else signer.identity.public.text


def _stated_idle_w(settings: Settings) -> float | None:
    """Return what a site's reserved machine draws at the wall while it waits, W; `None` if unknown.

    More than any site can draw is unknown, too.
    """
    at_wall_w = settings.idle_w * settings.pue
    return at_wall_w if 0 < at_wall_w <= MOST_W else None


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
