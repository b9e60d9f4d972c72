"""Ports of this machine."""

from __future__ import annotations

import socket


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
