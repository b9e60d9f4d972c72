"""Celery's remote control, whose replies never hold a worker up.

Flower inspects each worker. Kombu publishes the reply in the worker's event loop and tries again
without end or log while Redis takes no writes: until then the worker receives no task and does not
notice that its connection is broken.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from celery.app import control
from kombu import pidbox
from kombu.exceptions import KombuError
from redis import RedisError

from common.log import get_logger
from common.redis_users import FLOWER_USER

_log = get_logger(__name__)

_ONCE = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class Mailbox(pidbox.Mailbox):
    """A mailbox that tries once to send a reply."""

    def _publish_reply(self, *args: Any, **options: Any) -> None:
        try:
            super()._publish_reply(*args, **{**options, "retry_policy": _ONCE})
        except (RedisError, KombuError, OSError) as error:
            _log.warning("reply.not_sent", reason=str(error))


class Control(control.Control):
    """Celery's remote control with that mailbox."""

    Mailbox = Mailbox

    def broadcast(self, *args: Any, **options: Any) -> Any:
        """Send a command to workers; none as Flower's user of Redis, which can only look."""
        if urlsplit(self.app.conf.broker_url).username == FLOWER_USER:
            return None
        return super().broadcast(*args, **options)
