"""The files and modules that a scenario names, and what is in them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from common.files import file_sha256
from common.workload_names import SHIPPED
from simulation.scenario.files import find_file
from simulation.scenario.scenario import Scenario


def inputs(scenario: Scenario) -> dict[str, str]:
    """Return the SHA-256 of each file and module that a scenario names, by what it is to it.

    These are its traces, its first model, the data of its workload, and the modules of policies
    and workloads of one's own.

    Raises:
        FairwindError: If a file is missing.
    """
    return {name: _sha256(path) for name, path in _files(scenario)}


def portable(scenario: Scenario) -> Scenario:
    """Return the same scenario with the files of FAIRWIND_DATA named as inside that folder."""
    changes = {
        part: {key: inside}
        for (part, key), path in _paths(scenario)
        if (inside := _inside_data(find_file(path))) is not None
    }
    return scenario.altered(**changes) if changes else scenario


def _files(scenario: Scenario) -> Iterator[tuple[str, Path]]:
    for (part, key), path in _paths(scenario):
        yield f"{part}.{key}", find_file(path)
    for name in (scenario.run.policy, scenario.workload.name):
        if (module := _module_file(name)) is not None:
            yield f"module {name}", module
    for path in _data_files(scenario.workload.name):
        yield f"data {path.name}", path


def _paths(scenario: Scenario) -> Iterator[tuple[tuple[str, str], Path]]:
    for part, key in (("signal", "path"), ("forecast", "path"), ("workload", "init_from")):
        path = getattr(getattr(scenario, part), key)
        if path is not None:
            yield (part, key), path


def _data_files(workload: str) -> tuple[Path, ...]:
    """Return the files that a shipped workload reads, none of most."""
    if workload not in SHIPPED:
        return ()
    files = getattr(import_module(SHIPPED[workload].partition(":")[0]), "files", None)
    return () if files is None else tuple(files())


def _module_file(name: str) -> Path | None:
    """Return the file of the module that an import path names, `None` if it names none."""
    module = name.partition(":")[0]
    if ":" not in name and "." not in name:
        return None
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin else None


def _inside_data(path: Path) -> Path | None:
    data = os.environ.get("FAIRWIND_DATA")
    folder = Path(data).resolve() if data else None
    return path.relative_to(folder) if folder and path.is_relative_to(folder) else None


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file; a study names the same few files thousands of times."""
    about = path.stat()
    return _sha256_of(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=256)
def _sha256_of(path: Path, mtime_ns: int, size: int) -> str:  # noqa: ARG001 - of which version
    return file_sha256(path)
