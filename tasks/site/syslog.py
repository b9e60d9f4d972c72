"""The audit trail copied to a syslog, if the site's administrator wants that; never in the way.

A datagram for each record, as RFC 3164 has it. What the syslog does not take at once is dropped:
the trail itself is the record, and work neither waits nor fails for its copy.
"""

from __future__ import annotations

import re
import socket

from tasks.site.trail_record import TrailRecord

_AUTHPRIV, _INFO = 10, 6
_PRIORITY = _AUTHPRIV * 8 + _INFO

_LONGEST = 8_000
"""Bytes of a datagram: most syslogs take no more."""


class Syslog:
    """Copies the records of one client.

    Args:
        address: A socket of this machine, such as /dev/log, or host:port for UDP.
        client: Whose records they are.
    """

    def __init__(self, address: str, client: str) -> None:
        self._address = address
        self._start = f"<{_PRIORITY}>fairwind-site[{client}]: ".encode()
        self._socket: socket.socket | None = None

    def __call__(self, record: TrailRecord) -> None:
        """Copy a record; nothing is raised, whatever becomes of it."""
        datagram = (self._start + record.line.rstrip(b"\n"))[:_LONGEST]
        for _ in range(2):  # once more where the syslog was started anew meanwhile
            try:
                self._socket = self._socket or _connected(self._address)
                self._socket.send(datagram, socket.MSG_DONTWAIT)
            except OSError:
                self._let_go()
            else:
                return

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(address: str) -> socket.socket:
    """Return a socket that sends datagrams to an address.

    Raises:
        OSError: If there is nothing at that address.
    """
    found = re.fullmatch(r"(.+):(\d{1,5})", address)
    if found is None:
        family: int = socket.AF_UNIX
        to: object = address
    else:
        host, port = found[1].strip("[]"), int(found[2])
        family, _, _, _, to = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.connect(to)  # type: ignore[arg-type] # as each family has its addresses
    except OSError:
        opened.close()
        raise
    return opened
