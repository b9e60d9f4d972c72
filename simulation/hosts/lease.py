"""The lease of a simulation: as long as it is there, somebody works on it."""

from __future__ import annotations

from threading import Event, Thread

import redis

from common.log import get_logger

_log = get_logger(__name__)


class Lease:
    """A key in Redis that a thread renews: it expires with this process, however that ends.

    Attributes:
        name: Of the key.
    """

    def __init__(self, broker: redis.Redis, name: str, worker: str, *, kept_s: float) -> None:
        self.name = name
        self._broker = broker
        self._worker = worker
        self._kept_ms = round(1000 * kept_s)
        self._over = Event()
        self._thread = Thread(target=self._renew, daemon=True)

    def take(self) -> bool:
        """Take the lease and renew it from now on; return whether nobody else had it."""
        if not self._broker.set(self.name, self._worker, px=self._kept_ms, nx=True):
            return False
        self._thread.start()
        return True

    def stop(self) -> None:
        """Renew it no more; whoever answers deletes it with the answer, else it expires."""
        self._over.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._over.wait(self._kept_ms / 3000):
            try:  # also where Redis was emptied meanwhile
                self._broker.set(self.name, self._worker, px=self._kept_ms)
            except redis.RedisError as error:
                _log.warning("lease.not_renewed", lease=self.name, reason=str(error))
