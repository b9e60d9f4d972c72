"""Where `fairwind` and `celery` first meet Fairwind: nothing of a user's may hide its packages.

It stands alone, as any package beside it may be hidden.
"""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

_SAMPLES = ("common.errors", "models.seed", "scheduler.ledger", "simulation.cli", "tasks.cli")
"""A module of each package of ours."""


def hidden() -> str | None:
    """Return what to say of the first package of ours that cannot be imported, `None` if all can.

    A package of the same name comes first if its folder is on PYTHONPATH, or is the current folder
    and Python was started by ``python -m``.
    """
    for sample in _SAMPLES:
        name = sample.partition(".")[0]
        if not _is_found(sample):
            module = sys.modules.get(name)
            path = Path(getattr(module, "__file__", None) or next(iter(_path(module)), "?"))
            theirs = path.parent if path.name == "__init__.py" else path
            return (
                f"{theirs} hides Fairwind's own package {name}, so nothing can start. Rename it, "
                f"put it inside a package of your own (my_project/{name}), or keep "
                f"{theirs.parent} off Python's search path: PYTHONPATH, or python -m in it."
            )
    return None


def _is_found(sample: str) -> bool:
    try:
        return find_spec(sample) is not None
    except ImportError:  # a module instead of a package, or one that raises
        return False


def _path(module: object) -> list[str]:
    return list(getattr(module, "__path__", ()))


def _is_ours(argv: list[str]) -> bool:
    """Return whether a command line is one of ours: Celery loads this for other projects, too."""
    return "fairwind" in Path(argv[0]).name or bool(
        re.search(r"(^| )(-A|--app)[ =]?tasks\b", " ".join(argv[1:]))
    )


if _fault := hidden():
    if _is_ours(sys.argv):
        sys.stderr.write(f"fairwind: {_fault}\n")
        raise SystemExit(2)
    raise ImportError(_fault)

from tasks.cli import fairwind, main  # noqa: E402 - only once it is known that they are ours

__all__ = ["fairwind", "main"]
