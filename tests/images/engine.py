"""A container engine of this machine: docker or podman, if it works here."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LABEL = "com.docker.compose"


class NoEngine(Exception):  # noqa: N818 - it says what is missing, and nothing went wrong
    """No engine can run containers here; the text says why."""


@dataclass(frozen=True)
class Engine:
    """An engine with its compose tool, and the environment in which both run."""

    name: str
    compose: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)

    def call(
        self, *args: str, timeout_s: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run one command of the engine."""
        return self.command([self.name, *args], timeout_s=timeout_s, check=check)

    def command(
        self, words: Sequence[str], *, timeout_s: float, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the engine's environment; its output is shown if it fails."""
        done = subprocess.run(
            words,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            sys.stderr.write(done.stdout[-20_000:] + done.stderr[-20_000:])
            done.check_returncode()
        return done

    def works(self, *args: str, timeout_s: float = 120) -> bool:
        """Return whether a command of the engine succeeds in time."""
        try:
            return self.call(*args, timeout_s=timeout_s, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def container(self, project: str, service: str) -> str:
        """Return the name of the container of a compose file's service."""
        labels = {f"{LABEL}.project": project, f"{LABEL}.service": service}
        filters = [f"--filter=label={name}={value}" for name, value in labels.items()]
        found = self.call("ps", "--all", *filters, "--format={{.Names}}").stdout.split()
        assert len(found) == 1, f"{len(found)} containers of the service {service}"
        return found[0]

    def healthy(self, container: str) -> bool:
        """Return whether a container's health check succeeds."""
        if self.name == "podman":  # It runs no checks by itself where there is no systemd.
            return self.works("healthcheck", "run", container)
        seen = self.call("inspect", "--format={{.State.Health.Status}}", container)
        return seen.stdout.strip() == "healthy"


def find_engine(folder: Path) -> Engine:
    """Return the first engine that answers and has a compose tool.

    Args:
        folder: Where podman's settings for this machine are written.

    Raises:
        NoEngine: If there is none.
    """
    candidates = [
        Engine("docker", ["docker", "compose"]),
        Engine("podman", ["podman-compose"], _podman_env(folder)),
    ]
    missing = []
    for engine in candidates:
        if not shutil.which(engine.name):
            missing.append(f"{engine.name} is not installed")
        elif not engine.works("info"):
            missing.append(f"{engine.name} does not answer")
        elif not _has_compose(engine):
            missing.append(f"{' '.join(engine.compose)} is not installed")
        else:
            return engine
    raise NoEngine(", and ".join(missing))


def _has_compose(engine: Engine) -> bool:
    tool = engine.compose[0]
    return bool(shutil.which(tool)) and (
        engine.command([*engine.compose, "version"], timeout_s=60, check=False).returncode == 0
    )


def _podman_env(folder: Path) -> dict[str, str]:
    """Return what podman needs where no systemd runs, as within another container.

    runc and cgroupfs need neither systemd nor cgroups of version 2. Containers get the limits of
    this process, because none may have higher ones, and builds its network.
    """
    if Path("/run/systemd/system").exists():
        return {}
    limits = ", ".join(
        f'"{name}={min(most, resource.getrlimit(kind)[1])}"'
        for name, kind, most in (
            ("nofile", resource.RLIMIT_NOFILE, 1024),
            ("nproc", resource.RLIMIT_NPROC, 4096),
        )
    )
    file = folder / "containers.conf"
    file.write_text(
        f'[containers]\nnetns = "host"\ndefault_ulimits = [{limits}]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
        encoding="utf-8",
    )
    return {"CONTAINERS_CONF": str(file)}
