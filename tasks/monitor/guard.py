"""Keep Flower on this machine unless it authenticates its visitors.

Flower listens on every interface by default, shows what every task does to any visitor and
lets anyone shut workers down. `restrict` reverses both defaults, and accepts no open API beside it.
"""

from __future__ import annotations

import os
import socket
import sys
from ipaddress import ip_address

from tornado.options import OptionParser

from common.visible import visible

LOOPBACK = "127.0.0.1"

OPEN_API = "FLOWER_UNAUTHENTICATED_API"

_OFF = frozenset({"", "0", "n", "no", "f", "false", "off"})


def restrict(options: OptionParser) -> None:
    """Make loopback the default address, and check the address once every option is parsed.

    Flower runs its configuration file between two passes over the command line, and tornado calls
    parse callbacks after the second one, so the check sees what Flower will really use. An
    `--address` from the command line or the environment is already set here and stays.
    """
    if not options.address and not options.unix_socket:
        options.address = LOOPBACK
    options.add_parse_callback(_refuse_open_api)
    options.add_parse_callback(lambda: _refuse_if_open(options))


def _refuse_open_api() -> None:
    """Exit with one line if Flower's API would answer without authentication, to any web page."""
    value = os.environ.get(OPEN_API, "")
    if value.strip().lower() not in _OFF:
        sys.exit(
            f"{OPEN_API}={visible(value)} opens Flower's API and every page to any web site that "
            "somebody here visits, so Flower was not started. Unset it; for scripts, add "
            "--basic-auth=NAME:PASSWORD and send that."
        )


def _refuse_if_open(options: OptionParser) -> None:
    """Exit with one line if other machines could reach Flower without authentication."""
    if options.unix_socket or is_loopback(options.address) or authenticates(options):
        return
    where = options.address or "every network interface"
    sys.exit(
        f"Flower would listen on {where} without authentication, so anyone who reaches this "
        "machine could read every task and shut workers down; it was not started. Add "
        "--basic-auth=NAME:PASSWORD (or --auth with an OAuth provider), or drop --address to "
        f"listen on {LOOPBACK} only."
    )


def is_loopback(address: str) -> bool:
    """Return whether everything that `address` stands for is on this machine.

    The empty address stands for every interface; a name that does not resolve is not trusted.
    """
    if not address:
        return False
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return bool(found) and all(ip_address(entry[4][0]).is_loopback for entry in found)


def authenticates(options: OptionParser) -> bool:
    """Return whether these options make Flower demand credentials of every visitor.

    An empty entry of `--basic-auth` would accept empty credentials, and `--auth_provider` alone
    demands none, so neither counts.
    """
    basic_auth: list[str] = options.basic_auth or []
    return bool(options.auth) or (bool(basic_auth) and all(basic_auth))
