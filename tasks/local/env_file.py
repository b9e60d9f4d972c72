"""The file with which another shell reaches a federation of this machine."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from common.private_files import write_private
from common.settings.names import PREFIX


def write_env(path: Path, env: Mapping[str, str]) -> None:
    """Write what a shell sources: the settings, and where `fairwind` and `celery` are.

    Only its owner can read it: the password of Redis and keys of carbon providers are in it.
    """
    ours = {name: value for name, value in env.items() if name.startswith(PREFIX)}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(ours.items())]
    lines.append(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
    write_private(path, ("\n".join(lines) + "\n").encode())


def shown(path: Path) -> str:
    """Return a path as one types it here: relative to the current folder where it lies in it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
