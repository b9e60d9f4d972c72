"""This machine's settings of pip, handed to a build: a proxy or an index of one's own."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.images.engine import Engine


def build_arguments(engine: Engine, folder: Path) -> list[str]:
    """Return arguments of `build` under which pip finds what it finds here.

    The settings travel as the secret of the Dockerfile, so they are in no layer. Folders and files
    that they name are mounted; docker cannot do that.
    """
    settings = _settings()
    secret = folder / "pip.conf"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    secret.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    secret.chmod(0o600)
    arguments = [f"--secret=id=pip,src={secret}"]
    if version("torch").endswith("+cpu"):
        # Pip found the CPU build by these settings; PyTorch's own index may be out of reach.
        arguments.append("--build-arg=TORCH_INDEX=")
    if engine.name == "podman":
        arguments += [f"--volume={path}:{path}:ro" for path in sorted(_paths(settings))]
    return arguments


def _settings() -> dict[str, str]:
    """Return the settings in force; later ones of `pip config list` are overridden by `:env:`."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = [line.split("=", 1) for line in shown.splitlines() if "=" in line]
    order = sorted(pairs, key=lambda pair: pair[0].startswith(":env:"))
    return {name.rpartition(".")[2]: ast.literal_eval(value) for name, value in order}


def _paths(settings: dict[str, str]) -> set[Path]:
    """Return what the settings name here. The pages of an index link to folders beside it."""
    words = {word for value in settings.values() for word in value.split()}
    files = {Path(word) for word in words if word.startswith("/")}
    indexes = {Path(word.removeprefix("file://")) for word in words if word.startswith("file:///")}
    return files | {index.parent for index in indexes}
