"""A federation on one machine, for the demonstration, the tests and the benchmarks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import redis

from common.errors import FairwindError
from common.identity import load_or_make
from common.password_file import load_or_make_password
from common.redis_users import FLOWER_USER, password_sha256, site_user
from common.settings.names import CONFIG, PREFIX
from scheduler.federation.federation import Federation
from tasks.coordinator.redis_users import RedisUsers
from tasks.local.processes import Processes
from tasks.local.redis_server import NAME as REDIS
from tasks.local.redis_server import RedisServer
from tasks.roles import coordinator_key_file, flower_password_file, site_key_file

PROJECT = Path(__file__).resolve().parents[2]
"""The folder from which `tasks` and `celeryconfig` are imported."""

COORDINATOR = "coordinator"
BEAT = "beat"
FLOWER = "flower"

_POLL_S = 0.05

T = TypeVar("T")


class LocalFederation:
    """Redis, coordinator, beat, Flower and sites as processes of this machine.

    A context manager: entering starts Redis, leaving stops everything. All files stay in `folder`:
    ``home`` is the coordinator's, ``sites/<client>`` a site's, ``logs`` holds what each process
    has written. Settings of the calling process do
    not reach the federation, except FAIRWIND_DATA.

    Attributes:
        folder: Where everything is kept, absolute.
        zones: The zone of each client, by client id.
        processes: What runs, under "redis", "coordinator", "beat", "flower" and "site-<client>".
        redis: The server of its own; `None` if one was given.
        redis_url: The broker.
        env: The environment of the coordinator's processes and of `fairwind`.
    """

    def __init__(
        self,
        folder: Path,
        zones: Mapping[str, str],
        *,
        settings: Mapping[str, str] | None = None,
        redis_url: str | None = None,
        redis_port: int = 0,
        redis_users: bool = False,
        signed: bool = True,
        cwd: Path | None = None,
    ) -> None:
        """Describe a federation; nothing is started yet.

        Args:
            folder: Where everything is kept. It need not exist.
            zones: The zone of each client, by client id. Enrolling them is the caller's.
            settings: Further environment variables for all processes, FAIRWIND_* or others.
            redis_url: A running server to use instead of starting one.
            redis_port: Where the server that is started listens, if that port is free; 0 for any.
            redis_users: Whether the coordinator writes a user of Redis for each site and Flower.
            signed: Whether messages are signed, with keys in the homes.
            cwd: The working folder of all processes; `folder` if not given.
        """
        self.folder = folder.absolute()
        self.zones = dict(zones)
        self.processes = Processes(self.folder / "logs")
        self.redis: RedisServer | None = None
        self.redis_url = redis_url or ""
        self._redis_port = redis_port
        self._redis_users = redis_users
        self._signed = signed
        self._cwd = cwd or self.folder
        self._settings = dict(settings or {})

    def __enter__(self) -> Self:
        """Start Redis, unless a URL was given."""
        with ExitStack() as stack:
            stack.enter_context(self.processes)
            if not self.redis_url:
                self.redis = RedisServer(
                    self.processes, port=self._redis_port, password=self._redis_password()
                )
                self.redis_url = self.redis.redis_url
            stack.callback(self._stop_users_of_redis)
            self._stack = stack.pop_all()
        self.env = self._environment()
        if self._signed:
            load_or_make(coordinator_key_file(self._home))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything, Redis last: workers that lose their broker do not end in order."""
        self._stack.__exit__(kind, error, trace)

    def start_coordinator(self, **env: str) -> None:
        """Start the worker that plans, accepts and aggregates.

        Args:
            **env: Further environment variables for it alone.
        """
        queues = "coordinator,aggregation"
        self._start_celery(COORDINATOR, "worker", "-Q", queues, "--loglevel", "INFO", env=env)

    def start_beat(self) -> None:
        """Start the process that wakes the scheduler."""
        self._start_celery(BEAT, "beat")

    def start_flower(self, port: int) -> None:
        """Start Celery Flower on a port of this machine."""
        env = {}
        if self._redis_users:
            password = load_or_make_password(flower_password_file(self._home))
            env = {f"{PREFIX}REDIS_URL": self._url_of(FLOWER_USER, password)}
        self._start_celery(FLOWER, "flower", f"--port={port}", env=env)

    def start_site(self, client_id: str, **env: str) -> None:
        """Start the worker of a client.

        Args:
            client_id: Whose worker.
            **env: Further environment variables for this site alone.
        """
        self._start_celery(
            site_name(client_id), "worker", "-Q", f"client.{client_id}",
            env={**self.site_settings(client_id), **env},
        )  # fmt: skip

    def site_settings(self, client_id: str) -> dict[str, str]:
        """Return what a client's worker alone is given: home, login, whose work it takes."""
        settings = {f"{PREFIX}HOME": str(self.folder / "sites" / client_id)}
        if self._signed:
            coordinator = load_or_make(coordinator_key_file(self._home)).public.text
            settings[f"{PREFIX}COORDINATOR_KEY"] = coordinator
        if self._redis_users:
            url = self._url_of(site_user(client_id), self._site_password(client_id))
            settings[f"{PREFIX}REDIS_URL"] = url
        return settings

    def site_key(self, client_id: str) -> str:
        """Return the public key of a client's site, which is made when it is first needed."""
        return load_or_make(site_key_file(self.folder / "sites" / client_id, client_id)).public.text

    def site_password_sha256(self, client_id: str) -> str | None:
        """Return what a client enrols with, for its user of Redis; `None` if it has none."""
        return password_sha256(self._site_password(client_id)) if self._redis_users else None

    def write_redis_users(self, state: Federation) -> None:
        """Write the users of Redis, as the coordinator does: to start sites beside it, not after.

        Raises:
            FairwindError: If that is not allowed.
            redis.RedisError: If Redis fails.
        """
        if self._redis_users:
            with redis.Redis.from_url(self.redis_url) as broker:
                RedisUsers(broker, self._home).update(state)

    def _site_password(self, client_id: str) -> str:
        return load_or_make_password(self.folder / "sites" / client_id / "redis.password")

    def _redis_password(self) -> str | None:
        """Return the password of the user who may do everything, in a server of our own."""
        return load_or_make_password(self.folder / "redis.password") if self._redis_users else None

    def _url_of(self, user: str, password: str) -> str:
        parts = urlsplit(self.redis_url)
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{user}:{password}@{host}").geturl()

    def fairwind(self, *args: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a `fairwind` command on the coordinator's host and return how it ended.

        Args:
            *args: The words after ``fairwind``.
            timeout_s: The command is killed after so many wall seconds.

        Raises:
            subprocess.TimeoutExpired: If it was killed.
        """
        return subprocess.run(
            [sys.executable, "-m", "tasks.cli", *args],
            env=self.env,
            cwd=self._cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def wait_for(self, predicate: Callable[[], T | None], timeout_s: float, what: str) -> T:
        """Call a predicate until its result is truthy, and return that.

        Args:
            predicate: Called about every 0.05 s.
            timeout_s: How long to go on, wall seconds.
            what: What is waited for, to complete "waited 5 s for ...".

        Raises:
            FairwindError: If time runs out, or a process ends by itself meanwhile.
        """
        until = time.monotonic() + timeout_s
        while True:
            if found := predicate():
                return found
            self.processes.check()
            if time.monotonic() > until:
                raise FairwindError(self._too_late(timeout_s, what))
            time.sleep(_POLL_S)

    def _stop_users_of_redis(self) -> None:
        self.processes.stop(*(name for name in reversed(self.processes.names) if name != REDIS))

    def _start_celery(self, name: str, *args: str, env: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "celery", "-A", "tasks", *args]
        self.processes.start(name, command, env={**self.env, **(env or {})}, cwd=self._cwd)

    @property
    def _home(self) -> Path:
        return Path(self.env[f"{PREFIX}HOME"])

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(PREFIX) or name == f"{PREFIX}DATA"
        }
        paths = [str(PROJECT), *filter(None, [inherited.get("PYTHONPATH")])]
        return {
            **inherited,
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
            CONFIG: os.devnull,
            f"{PREFIX}REDIS_URL": self.redis_url,
            f"{PREFIX}HOME": str(self.folder / "home"),
            f"{PREFIX}PARTITION": ",".join(self.zones),
            **self._settings,
        }

    def _too_late(self, timeout_s: float, what: str) -> str:
        logs = "\n".join(
            f"  {name}:\n{self.processes.tail(name)}"
            for name in self.processes.names
            if name != REDIS
        )
        return (
            f"Waited {timeout_s:g} s for {what}, in vain. All processes still run. See the logs in "
            f"{self.processes.folder}. Their last lines:\n{logs or '  (no process)'}"
        )


def site_name(client_id: str) -> str:
    """Return the name of a client's worker among the processes."""
    return f"site-{client_id}"
