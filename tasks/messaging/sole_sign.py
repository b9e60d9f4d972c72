"""The sign of life of a process of which one runs, and which ends where another has its place."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import psutil
import redis

from common.clock import wall_now
from common.envelope import Signer
from common.errors import FederationError, SignatureError
from common.identity import canonical_json
from common.log import get_logger
from common.settings import Settings
from tasks.messaging.drivers import KEPT_MS, Sign, read_sign, sign_key

_LOOK_EVERY_S = 0.2
_MISSED = 1.5
"""A process whose sign is older than so many of its periods is not known to be there."""

_log = get_logger(__name__)


class SoleSign:
    """Leaves the signs of one process, unless another leaves them.

    Args:
        broker: Where they are.
        name: What the process is: ``beat``.
        settings: How often it signs, and after how long without a sign it counts as gone.
        signer: Whose key the signs bear: others are not believed, and end nothing. `None` where
            messages are not signed.
        now_s: Monotonic seconds.
    """

    def __init__(
        self,
        broker: redis.Redis,
        name: str,
        settings: Settings,
        *,
        signer: Signer | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._name = name
        self._settings = settings
        self._now_s = now_s
        self._signer = signer
        self._oldest = wall_now() - timedelta(seconds=max(60.0, settings.silent_after_s))
        self._own = Sign(host=socket.gethostname(), pid=os.getpid(), incarnation=uuid4().hex)
        self._signed_at_s = float("-inf")
        self._has_rival = False

    def claim(self) -> None:
        """Leave the first sign; one of a process that died elsewhere must grow old first.

        Raises:
            FederationError: If another process leaves them.
            redis.RedisError: If Redis fails.
        """
        before_s: float | None = None
        while (rival := self._rival()) is not None:
            holder, age_s = rival
            if _is_dead(holder) or age_s > self._settings.silent_after_s:
                break
            if before_s is not None and age_s < before_s:  # it was renewed
                msg = (
                    f"A {self._name} runs already ({_shown(holder)}), so this one was not started. "
                    "Stop the other first."
                )
                raise FederationError(msg)
            before_s = age_s
            time.sleep(_LOOK_EVERY_S)
        self._sign()

    def renew(self) -> None:
        """Leave a sign if it is time. While Redis fails, there is none, which is no error here.

        Raises:
            FederationError: If another process has taken the place of this one.
        """
        every_s, now_s = self._settings.heartbeat_s, self._now_s()
        if now_s - self._signed_at_s < every_s:
            return
        self._signed_at_s = now_s
        try:
            rival = self._rival()
            if rival is None or rival[1] > _MISSED * every_s:
                self._has_rival = False
                self._sign()
                return
        except redis.RedisError as error:
            _log.warning("sign.not_left", reason=str(error))
            return
        if self._has_rival:  # twice: Redis may have lost its last seconds, but not again
            msg = (
                f"Another {self._name} ({_shown(rival[0])}) has taken the place of this one while "
                "it stood still, so this one ends. To run it here, stop the other first."
            )
            raise FederationError(msg)
        self._has_rival = True

    def _sign(self) -> None:
        sign = self._own
        if self._signer is not None:
            sign = sign.model_copy(update={"at": wall_now()})
            signature = self._signer.identity.sign(_signed(sign))
            sign = sign.model_copy(update={"signature": signature})
        self._broker.set(sign_key(self._name), sign.model_dump_json(), px=KEPT_MS)

    def _rival(self) -> tuple[Sign, float] | None:
        """Return the sign of another process, and how long ago it was left, in s."""
        with self._broker.pipeline(transaction=False) as pipe:
            pipe.get(sign_key(self._name))
            pipe.pttl(sign_key(self._name))
            text, left_ms = pipe.execute()
        holder = read_sign(text)
        if holder is None or left_ms < 0 or holder.incarnation == self._own.incarnation:
            return None
        return (holder, (KEPT_MS - left_ms) / 1000) if self._believes(holder) else None

    def _believes(self, sign: Sign) -> bool:
        """Return whether a sign is of one that has our key, and not one of old."""
        if self._signer is None:
            return True
        if sign.at is None or sign.at < self._oldest:
            return False
        try:
            self._signer.identity.public.verify(sign.signature, _signed(sign))
        except SignatureError:
            return False
        return True


def _signed(sign: Sign) -> bytes:
    return canonical_json(sign.model_dump(mode="json", exclude={"signature"}))


def _is_dead(holder: Sign) -> bool:
    """Return whether a process is known to have died: it ran here, and is gone."""
    if holder.host != socket.gethostname():
        return False
    return holder.pid == os.getpid() or not psutil.pid_exists(holder.pid)


def _shown(holder: Sign) -> str:
    return f"process {holder.pid} on {holder.host}"
