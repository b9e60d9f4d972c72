"""Ports of this machine."""

from __future__ import annotations

import socket

from common.errors import SettingError

PAGE_PORT = 5555
"""Celery Flower's own default."""


def free_port(wanted: int = 0) -> int:
    """Return the port wanted, or any free one if it is taken; 0 asks for any."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted


def wanted_port(asked: int | None, default: int) -> int:
    """Return the port that was asked for, or the default one, or a free one where that is taken.

    Raises:
        SettingError: If a port was asked for and is taken.
    """
    port = free_port(asked or default)
    if asked is not None and port != asked:
        msg = (
            f"Another program listens on port {asked}, so Flower cannot, and nothing was started. "
            "Choose another --port, or leave it out: a free one is found then."
        )
        raise SettingError(msg)
    return port
