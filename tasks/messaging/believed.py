"""Which heartbeats are believed: those that the client's site signed, unless they are old ones.

Whoever may write a client's key in Redis could put an older heartbeat there, or a text that nobody
believes, in place of the newest. Neither makes a client seem dead: each process remembers the
newest heartbeat that it saw, and goes by it for as long as it would have lasted in Redis.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from common.envelope import COORDINATOR, Opened, is_envelope, open_envelope
from common.log import get_logger
from common.messages import Heartbeat
from tasks.messaging.inbox import Keys
from tasks.roles import SITE_PREFIX

TASK = "heartbeat"
"""What a heartbeat is signed as."""

_log = get_logger(__name__)


@dataclass(slots=True)
class _Newest:
    issued_at: datetime
    beat: Heartbeat
    first_seen_s: float
    is_refused: bool = False


class Believer:
    """Remembers the newest heartbeat of each client."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing seen; `now_s` returns monotonic seconds."""
        self._now_s = now_s
        self._newest: dict[tuple[str, str], _Newest] = {}

    def believe(self, client: str, value: object, keys: Keys | None) -> Heartbeat | None:
        """Return a client's heartbeat as of now; `None` if it has none that is believed.

        Args:
            client: Whose.
            value: What lies under its key in Redis.
            keys: The public key of each client; `None` where messages are not signed.
        """
        if not isinstance(value, bytes):
            return None  # it left, or its heartbeat expired
        if keys is None:
            return read_heartbeat(value, client, None)
        key = keys.get(client)
        return None if key is None else self._newest_of(client, key, value)

    def _newest_of(self, client: str, key: str, value: bytes) -> Heartbeat | None:
        found, now_s = _verified(value, client, key), self._now_s()
        known = self._newest.get((client, key))
        over = known is None or now_s - known.first_seen_s > known.beat.kept_s
        if known is not None and found is not None and found[0] == known.issued_at:
            return None if over else known.beat
        # A site's clock may be set back: an older one counts once the newest is over.
        if found is not None and (known is None or over or found[0] > known.issued_at):
            self._newest[client, key] = _Newest(found[0], found[1], now_s)
            return found[1]
        if known is None or over:
            return None
        self._refuse(client, known, "it is an older one" if found else "its site did not sign it")
        return known.beat

    def _refuse(self, client: str, known: _Newest, reason: str) -> None:
        if not known.is_refused:  # once for each heartbeat that is displaced
            _log.warning("message.refused", task=TASK, client=client, reason=reason)
        known.is_refused = True


def read_heartbeat(value: object, client: str, key: str | None) -> Heartbeat | None:
    """Return a client's heartbeat if it is one, and signed with its key if there is a key."""
    if not isinstance(value, bytes):
        return None
    if key is None:
        beat = claimed(value)
        return beat if beat is not None and beat.client == client else None
    found = _verified(value, client, key)
    return None if found is None else found[1]


def claimed(value: object) -> Heartbeat | None:
    """Return what a heartbeat says, signed or not: whoever has no key can check none."""
    try:
        body: Any = json.loads(value) if isinstance(value, bytes) else None
        return Heartbeat.model_validate(json.loads(body["payload"]) if is_envelope(body) else body)
    except (ValueError, TypeError, KeyError, RecursionError):  # pydantic's is a ValueError
        return None


@lru_cache(maxsize=1024)  # each is looked at several times, by every run
def _verified(value: bytes, client: str, key: str) -> tuple[datetime, Heartbeat] | None:
    try:
        body = json.loads(value)
    except (ValueError, RecursionError):
        return None
    known = {f"{SITE_PREFIX}{client}": key}.get
    found = open_envelope(body, task=TASK, audience=COORDINATOR, key_of=known, now=None)
    if not isinstance(found, Opened):
        return None
    try:
        beat = Heartbeat.model_validate(found.payload)
    except ValidationError:
        return None
    return (found.header.issued_at, beat) if beat.client == client else None
