"""Kombu's Redis transport, made to outlive what is no message.

Kombu lets whatever it cannot read escape from its event loop, which ends the worker: anyone who
may push to a queue could stop the coordinator with two bytes.
"""

from __future__ import annotations

from queue import Empty
from typing import Any

from kombu.transport import redis

from common.log import get_logger

_log = get_logger(__name__)


class Channel(redis.Channel):
    """A channel that drops what is no message, says so, and reads on."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            _log.warning("message.dropped", reason=f"{type(error).__name__}: {error}")
            raise Empty from None


class Transport(redis.Transport):
    """The transport of ``redis://`` and ``rediss://`` addresses."""

    Channel = Channel
