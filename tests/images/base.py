"""The base of the images: the official one where it can be pulled, else one made by debootstrap."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.images.engine import Engine, NoEngine

PYTHON = "docker.io/library/python:3.11-slim-bookworm"
REDIS = "docker.io/library/redis:7"
OWN = "localhost/fairwind-test-base"

DEBIAN = "bookworm"
PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-venv", "redis-server")


@dataclass(frozen=True)
class Base:
    """The images under ours and of Redis."""

    python: str
    redis: str


def find_base(engine: Engine, folder: Path) -> Base:
    """Return images that the engine can run.

    Raises:
        NoEngine: If none can be pulled or made, or the engine cannot run it here.
    """
    if all(engine.works("pull", image, timeout_s=300) for image in (PYTHON, REDIS)):
        base = Base(PYTHON, REDIS)
    else:
        if not engine.works("inspect", "--type=image", OWN):
            _make(engine, folder / "base")
        base = Base(OWN, OWN)
    runs = engine.call("run", "--rm", base.python, "python", "--version", check=False)
    if runs.returncode != 0:
        msg = f"{engine.name} cannot run a container here: {runs.stderr.strip()[-300:]}"
        raise NoEngine(msg)
    return base


def _make(engine: Engine, root: Path) -> None:
    if os.getuid() != 0 or not shutil.which("debootstrap"):
        msg = "no registry of images answers, and debootstrap is not installed or this is not root"
        raise NoEngine(msg)
    words = [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        DEBIAN,
        str(root),
    ]
    made = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    if made.returncode != 0:
        msg = f"no registry of images answers, and debootstrap failed: {made.stdout[-300:]}"
        raise NoEngine(msg)
    archive = root.with_suffix(".tar")
    inside = ["--exclude=./dev", "--exclude=./var/cache/apt/archives", "-c", "."]
    subprocess.run(["tar", "-C", root, "-f", archive, *inside], check=True)
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    engine.call("import", "--change", f"ENV {path}", str(archive), OWN, timeout_s=300)
    shutil.rmtree(root)
    archive.unlink()
