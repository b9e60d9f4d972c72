"""Say whether this site's worker renews its sign of life in Redis: status 0, or 1 and a line."""  # noqa: INP001 - a script of the image, in no package

from __future__ import annotations

import os
import sys

import redis

from common import settings
from common.errors import FairwindError
from tasks.messaging.broker import check_usable, connect
from tasks.messaging.heartbeats import own_key, read_heartbeats
from tasks.messaging.inbox import site_signer


def main() -> str | None:
    """Return what is wrong, or `None`."""
    client = os.environ.get("FAIRWIND_CLIENT", "")
    try:
        broker = connect(settings.load())
        check_usable(broker)
        key = own_key(site_signer(settings.load(), client))
        alive = read_heartbeats(broker, [client], keys=None if key is None else {client: key})
    except (FairwindError, redis.RedisError) as error:
        return str(error)
    return None if client in alive else f"The worker of {client!r} sends no heartbeat."


sys.exit(main())
