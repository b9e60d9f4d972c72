"""What a conductor reads and leaves in Redis."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from pydantic import ValidationError

from common.settings import Settings
from simulation.hosts.message import (
    WorkerSign,
    answers_key,
    conductor_key,
    lease_key,
    worker_key,
)

_MOST_ANSWER_NBYTES = 16 << 10
_MOST_SIGN_NBYTES = 4096


class BrokerView:
    """Redis as one conductor sees it.

    Attributes:
        conductor: The conductor's id.
    """

    def __init__(self, broker: redis.Redis, queue: str, conductor: str, ours: Settings) -> None:
        self.conductor = conductor
        self._broker = broker
        self._queue = queue
        self._kept_ms = round(1000 * max(60.0, 3 * ours.heartbeat_s))

    def renew(self) -> bool:
        """Say that answers are waited for; return whether Redis still knew."""
        name = conductor_key(self.conductor)
        return self._broker.set(name, "", px=self._kept_ms, get=True) is not None

    def workers(self) -> list[WorkerSign]:
        """Return the signs of life of all workers."""
        keys = list(self._broker.scan_iter(match=worker_key("*"), count=1000))
        with self._broker.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.getrange(key, 0, _MOST_SIGN_NBYTES)
            values = pipe.execute(raise_on_error=False) if keys else []
        return [sign for value in values if (sign := _read_sign(value)) is not None]

    def queued(self, keys: Sequence[str]) -> set[str]:
        """Return which of these simulations wait on the queue."""
        waiting = self._waiting()
        return {key for key in keys if any(key.encode() in raw for raw in waiting)}

    def leased(self, keys: Sequence[str]) -> set[str]:
        """Return which of these simulations a worker holds."""
        if not keys:
            return set()
        found = self._broker.mget([lease_key(self.conductor, key) for key in keys])
        return {key for key, holder in zip(keys, found, strict=True) if holder is not None}

    def has_answers(self) -> bool:
        """Return whether answers wait."""
        return bool(self._broker.exists(answers_key(self.conductor)))

    def next_answer(self, within_s: float) -> bytes | None:
        """Return the next answer, `None` if none comes in time or it is too large."""
        found = self._broker.blpop([answers_key(self.conductor)], timeout=max(0.05, within_s))
        if not found or not isinstance(raw := found[1], bytes):
            return None
        return raw if len(raw) <= _MOST_ANSWER_NBYTES else None

    def leave(self, sent: Sequence[str]) -> None:
        """Take back everything: what waits, answers that nobody reads, and the conductor's key."""
        self._broker.delete(conductor_key(self.conductor))
        for raw in self._waiting():
            if self.conductor.encode() in raw:
                self._broker.lrem(self._queue, 0, raw)  # type: ignore[arg-type] # bytes are taken, too
        leases = [lease_key(self.conductor, key) for key in sent]
        self._broker.delete(answers_key(self.conductor), *leases)

    def _waiting(self) -> list[bytes]:
        found = self._broker.lrange(self._queue, 0, -1)
        return [raw for raw in found if isinstance(raw, bytes)]


def _read_sign(value: object) -> WorkerSign | None:
    if not isinstance(value, bytes) or not value:
        return None
    try:
        return WorkerSign.model_validate_json(value)
    except ValidationError:
        return None
