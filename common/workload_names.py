"""Names of workloads: which ship, what a name looks like, and what may be loaded. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path, PurePath

from common.settings.names import nearest

SHIPPED = {
    "digits": "models.workloads.digits",
    "breast_cancer": "models.workloads.breast_cancer",
    "pneumoniamnist": "models.workloads.pneumoniamnist",
    "tcga_brca": "models.workloads.tcga_brca",
    "fashion_mnist": "models.workloads.fashion_mnist",
}
"""The module of each workload that ships."""

OUR_NAMES = (
    "common", "models", "scheduler", "simulation", "tasks", "celeryconfig", "fairwind_start",
    "flowerconfig",
)  # fmt: skip
"""Top-level modules of ours, whose names no module of a workload can have."""

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?")


FLOWER = "flower:"
"""What begins the name of a Flower app (flwr): its folder follows."""

_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def run_name(name: str) -> str:
    """Return a workload as runs name it: a Flower app by its folder's name, wherever that lies.

    >>> run_name("flower:/srv/apps/heart"), run_name("package.heart:workload")
    ('flower:heart', 'package.heart:workload')
    """
    if not name.startswith(FLOWER):
        return name
    return FLOWER + PurePath(name.removeprefix(FLOWER)).name


def allowed_as(name: str, allowed: Sequence[str]) -> str | None:
    """Return the entry of FAIRWIND_WORKLOADS that allows a workload; `None` if none does.

    >>> allowed_as("flower:heart", ("digits", "flower:/srv/apps/heart"))
    'flower:/srv/apps/heart'
    """
    return next((entry for entry in allowed if run_name(entry) == run_name(name)), None)


def name_fault(name: str) -> str | None:
    """Return why a text cannot name a workload, as the end of a sentence; `None` if it can.

    >>> name_fault("package.heart:workload")
    >>> name_fault("heart.py")
    "'heart.py' is a file: name its module, heart"
    """
    if name.endswith(".py"):
        return f"{name!r} is a file: name its module, {_module_of_file(name)}"
    if name.startswith(FLOWER):
        folder = run_name(name).removeprefix(FLOWER)
        if _FOLDER.fullmatch(folder):
            return None
        return f"{name!r} names no folder of a Flower app: give flower:/path/to/app"
    if not _NAME.fullmatch(name):
        return (
            f"{name!r} names no workload: give one that ships ({', '.join(SHIPPED)}), or an import "
            "path, such as heart or package.heart:workload"
        )
    return None


def not_allowed(name: str, allowed: Sequence[str]) -> str:
    """Return what to say of a workload that FAIRWIND_WORKLOADS does not list."""
    near = nearest(name, {*allowed, *SHIPPED})
    hint = f"Did you mean {near}? Otherwise add" if near and near != name else "Add"
    return (
        f"The workload {name!r} is not allowed here, so it was not loaded. {hint} it to "
        f"FAIRWIND_WORKLOADS, which now holds {', '.join(allowed) or 'none'}, and restart the "
        "worker."
    )


def is_installed(name: str) -> bool:
    """Return whether the top-level module of a workload is found here. Nothing is imported.

    Of a Flower app: whether the entry of FAIRWIND_WORKLOADS names a folder with a pyproject.toml.

    >>> is_installed("digits"), is_installed("no_such_module:workload")
    (True, False)
    """
    if name.startswith(FLOWER):
        return (Path(name.removeprefix(FLOWER)) / "pyproject.toml").is_file()
    return name in SHIPPED or find_spec(re.split(r"[.:]", name, maxsplit=1)[0]) is not None


def _module_of_file(path: str) -> str:
    return re.split(r"[/\\]", path.removesuffix(".py"))[-1]
