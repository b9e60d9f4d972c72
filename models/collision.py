"""Modules of the same name: one that is loaded, and a user's own that it hides."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from common.workload_names import OUR_NAMES


def collision(error: BaseException) -> str | None:
    """Return a sentence on the module that hides a user's own, where an error comes from that.

    Args:
        error: What importing or running a user's code raised.
    """
    name = _missing_from(error)
    return hides(name) if name else None


def hides(name: str) -> str | None:
    """Return a sentence on what hides a user's module, `None` if nothing does.

    Args:
        name: Of a module, as in an import; what counts is the part before the first dot.
    """
    top = name.partition(".")[0]
    loaded = _places(sys.modules.get(top))
    theirs = next((path for path in _candidates(top) if path not in loaded), None)
    if not loaded or theirs is None:
        return None
    if top in OUR_NAMES:
        whose = f"{top} is a module of Fairwind, which hides yours"
    else:
        whose = f"{top} was loaded from {loaded[0]}, which hides yours"
    return (
        f"{whose} at {theirs}: rename yours, or put it inside a package of your own "
        f"(my_project/{top}), change its imports, and restart."
    )


def _missing_from(error: BaseException) -> str | None:
    """Return the name of the module that lacked something."""
    if isinstance(error, ImportError):
        return error.name
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        return error.obj.__name__
    return None


def _candidates(top: str) -> list[Path]:
    """Return where the current search path has something of this name, a user's folder first."""
    folders = [Path(entry or ".").resolve() for entry in ["", *sys.path]]
    found = [path for folder in folders for path in (folder / top, folder / f"{top}.py")]
    return [path for path in found if path.is_dir() or path.is_file()]


def _places(module: ModuleType | None) -> list[Path]:
    """Return the folders of a package, or the file of a module."""
    if module is None:
        return []
    found = list(getattr(module, "__path__", ())) or [getattr(module, "__file__", None)]
    return [Path(path).resolve() for path in found if path]
