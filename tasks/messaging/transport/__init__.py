"""Transport of bytes by claim check: a message carries a `BlobRef`, the bytes wait elsewhere."""

from __future__ import annotations

from pathlib import Path

from common.errors import SettingError
from common.settings import Settings
from tasks.messaging.broker import connect
from tasks.messaging.transport.by_folder import FolderTransport
from tasks.messaging.transport.by_redis import RedisTransport
from tasks.messaging.transport.claim import CHUNK, Transport, altered, forget, missing
from tasks.messaging.transport.receiving import fetch, intact, received

__all__ = [
    "CHUNK",
    "SITE_PATIENCE_S",
    "FolderTransport",
    "RedisTransport",
    "Transport",
    "altered",
    "fetch",
    "forget",
    "intact",
    "make_transport",
    "missing",
    "received",
]

SITE_PATIENCE_S = 600.0
"""How long a site waits for its link to come back before its attempt counts as lost."""

_PATIENCE_S = 20.0
"""How long everybody else waits: next to Redis, and with other work to do."""


def make_transport(settings: Settings, *, patience_s: float = _PATIENCE_S) -> Transport:
    """Return the transport the settings name.

    Args:
        settings: Which, and for how long bytes wait.
        patience_s: How long nothing may arrive before a transfer fails, in wall seconds.

    Raises:
        SettingError: If `FAIRWIND_TRANSPORT` is neither ``redis`` nor ``folder:/path``.
    """
    kind, _, path = settings.transport.partition(":")
    if kind == "redis" and not path:
        client = connect(settings, bulk=True)
        return RedisTransport(client, settings.transport_ttl_s, patience_s=patience_s)
    if kind == "folder" and path:
        return FolderTransport(Path(path), settings.transport_ttl_s)
    msg = (
        f"FAIRWIND_TRANSPORT={settings.transport!r} is no transport, so no bytes could travel. "
        "Set it to redis, or to folder:/a/path that coordinator and sites share."
    )
    raise SettingError(msg)
