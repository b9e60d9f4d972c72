"""Kombu's Redis transport, hardened against bytes that are no message.

What kombu cannot read raises out of its event loop, which ends the worker: two bytes in a queue
would stop the coordinator.
"""

from __future__ import annotations

from queue import Empty
from typing import Any

from kombu.transport import redis

from common.log import get_logger

_log = get_logger(__name__)


class Channel(redis.Channel):
    """A channel that drops what is no message, logs it, and reads on."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            _log.warning("message.dropped", reason=f"{type(error).__name__}: {error}")
            raise Empty from None


class Transport(redis.Transport):
    """The transport of ``redis://`` and ``rediss://`` addresses."""

    Channel = Channel
