"""The source of a workload, and its hash: by it a site's policy recognises what it trains."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from hashlib import sha256
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from common.files import file_sha256
from common.workload_names import FLOWER, OUR_NAMES, SHIPPED, allowed_as

_SUFFIXES = (".py", ".so", ".pyd", ".toml")


def source_hash(name: str, allowed: Iterable[str]) -> str | None:
    """Return the hash of a workload's source, like sha256:12ab...; `None` if none is found.

    Nothing of it is imported. The source is one file where the workload is a single module; else
    all files of its package, or of its folder for a Flower app, whose names end in .py, .so, .pyd
    or .toml. What else it imports is no part of it.

    Args:
        name: As a run names it.
        allowed: The entries of FAIRWIND_WORKLOADS.
    """
    entry = allowed_as(name, tuple(allowed)) or name
    try:
        root, files = _source(entry)
        lines = [f"{file.relative_to(root).as_posix()} {file_sha256(file)}\n" for file in files]
    except (OSError, ImportError, ValueError, AttributeError):
        return None
    if not lines:
        return None
    return f"sha256:{sha256(''.join(lines).encode()).hexdigest()}"


def _source(entry: str) -> tuple[Path, list[Path]]:
    """Return the folder of a workload's source, and the files there that belong to it."""
    if entry.startswith(FLOWER):
        folder = Path(entry.removeprefix(FLOWER))
        return folder, _files(folder)
    module = SHIPPED.get(entry, entry).partition(":")[0]
    top, *rest = module.split(".")
    spec = _find(top)
    if spec is None:
        return Path(), []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not folders:
        file = Path(spec.origin or "")
        return file.parent, [file]
    if top not in OUR_NAMES:
        return folders[0], _files(folders[0])
    inside = folders[0].joinpath(*rest)
    if inside.is_dir():
        return inside, _files(inside)
    return inside.parent, [inside.with_suffix(".py")]


def _find(top: str) -> ModuleSpec | None:
    """Find a top-level module as a worker started in this folder does; nothing is imported."""
    found = PathFinder.find_spec(top, [str(Path.cwd()), *sys.path])
    return found or importlib.util.find_spec(top)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
